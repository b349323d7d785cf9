//! The prompt editor.

use super::super::Action;
use super::super::msg::{Effect, Level};
use super::super::state::State;
use super::{notify, runs};

pub(super) fn open(state: &mut State) {
    if state.live.is_none() {
        return notify(state, Level::Info, "a replayed trace has no prompt to edit".to_owned());
    }
    let text = state.run().map(|r| r.prompt.clone()).unwrap_or_default();
    state.play.on = false;
    state.prompt.open(&text);
}

pub(super) fn act(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::PromptAccept => accept(state, effects),
        Action::PromptNewline => state.prompt.newline(),
        Action::PromptOlder => state.prompt.up(),
        Action::PromptNewer => state.prompt.down(),
        Action::Close => state.prompt.close(),
        _ => {}
    }
}

/// Starts a run with the prompt, or says why that cannot be.
fn accept(state: &mut State, effects: &mut Vec<Effect>) {
    let text = state.prompt.text();
    let (Some(vocab), Some(run)) = (&state.vocab, state.run()) else {
        state.prompt.error = Some("the vocabulary is still being read".to_owned());
        return;
    };
    let mut config = run.config.clone();
    let ids = match vocab.encode(&text) {
        Ok(ids) => ids,
        Err(error) => {
            state.prompt.error = Some(error.to_string());
            return;
        }
    };
    if ids.len() > config.tokens {
        state.prompt.error = Some(format!("{} tokens, more than the text's {}", ids.len(), config.tokens));
        return;
    }
    // Infill and pinned tokens beyond the prompts, old and new, stay.
    let beyond = config.prompt_len().max(ids.len());
    let kept = config.frozen.iter().copied().filter(|&(position, _)| position as usize >= beyond);
    if *text != *run.prompt {
        config.frozen = (0..).zip(ids).chain(kept.collect::<Vec<_>>()).collect();
    }
    config.salts.clear();
    state.prompt.remember(&text);
    state.prompt.close();
    runs::begin(state, config, &text, effects);
}
