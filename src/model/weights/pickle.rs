//! A pickle reader that can build numbers, strings and containers, and nothing else.
//!
//! `torch.save` describes a checkpoint in Python's pickle language, whose real interpreter calls whatever function
//! the file names. Here a call is only written down as a [`Value::Call`]; the caller recognises the few that stand
//! for tensors. Values live in an arena and refer to each other by index, so neither shared nor self-containing
//! objects can make the reader copy, recurse or loop: its memory is bounded by the number of operations in the file,
//! which is bounded too.

use std::collections::HashMap;

/// Index of a value.
pub type Id = u32;

/// What a pickle can hold, as far as this program cares.
#[derive(Debug, PartialEq)]
pub enum Value<'a> {
    /// Anything without meaning here: floats, bytes, `None`, sets.
    Opaque,
    /// An integer or a truth value.
    Int(i64),
    /// A string.
    Text(&'a str),
    /// A tuple or a list.
    List(Vec<Id>),
    /// A dict or an `OrderedDict`, in order of insertion.
    Dict(Vec<(Id, Id)>),
    /// A name that Python would import: module, name.
    Global(&'a str, &'a str),
    /// A call that Python would make, with its function and the tuple of its arguments.
    Call(Id, Id),
    /// A reference to data outside of the pickle.
    Persistent(Id),
}

/// The values of one pickle.
#[derive(Debug)]
pub struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: Id,
}

/// Far above any checkpoint (one of this kind has some ten thousand), far below any machine's memory.
const MOST_VALUES: usize = 4 << 20;

impl<'a> Pickle<'a> {
    /// Reads a pickle of protocol 2 to 5; the error says in words what is wrong with it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let mut machine = Machine {
            input: Input { bytes, at: 0 },
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        while machine.step()? {}
        let root = machine.pop()?;
        Ok(Self { values: machine.values, root })
    }

    /// The value the pickle stands for.
    pub fn root(&self) -> Id {
        self.root
    }

    /// A value.
    pub fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id as usize]
    }

    /// Elements of a tuple or list.
    pub fn list(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Text of a string.
    pub fn text(&self, id: Id) -> Option<&'a str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An integer that is not negative.
    pub fn size(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            Value::Int(n) => usize::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The string keys of a dict with their values; of a repeated key the last.
    pub fn dict(&self, id: Id) -> Option<HashMap<&'a str, Id>> {
        match self.get(id) {
            Value::Dict(pairs) => Some(pairs.iter().filter_map(|&(k, v)| Some((self.text(k)?, v))).collect()),
            _ => None,
        }
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let taken = self.at.checked_add(n).and_then(|end| self.bytes.get(self.at..end));
        self.at += taken.map_or(0, <[u8]>::len);
        taken.ok_or_else(|| "ends too early".to_owned())
    }

    /// A little-endian unsigned number of `n` ≤ 8 bytes.
    fn number(&mut self, n: usize) -> Result<u64, String> {
        let bytes = self.take(n)?;
        Ok(bytes.iter().rev().fold(0, |all, &b| all << 8 | u64::from(b)))
    }

    /// Bytes after a length of `n` bytes.
    fn counted(&mut self, n: usize) -> Result<&'a [u8], String> {
        let len = self.number(n)?;
        self.take(usize::try_from(len).map_err(|_| "ends too early".to_owned())?)
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|&b| b == b'\n').ok_or("ends too early")?;
        let line = self.take(len + 1)?;
        std::str::from_utf8(&line[..len]).map_err(|_| "names something that is not text".to_owned())
    }
}

struct Machine<'a> {
    input: Input<'a>,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// Executes one operation; false after the last.
    fn step(&mut self) -> Result<bool, String> {
        // Some operations add no value, so the stack needs a bound of its own.
        if self.stack.len() + self.marks.len() >= MOST_VALUES {
            return Err(too_many());
        }
        let at = self.input.at;
        let op = self.input.take(1)?[0];
        match op {
            b'.' => return Ok(false),
            0x80 => drop(self.input.take(1)?),
            0x95 => drop(self.input.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            // Also takes the state given to an object: an OrderedDict's attributes, or those of an object nobody reads.
            b'0' | b'b' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' | b']' | b')' | b'}' | 0x88 | 0x89 | 0x8f => self.constant(op)?,
            b'G' => {
                self.input.take(8)?;
                self.push(Value::Opaque)?;
            }
            b'J' | b'K' | b'M' | 0x8a | 0x8b => self.integer(op)?,
            b'X' | b'T' => self.string(4)?,
            b'U' | 0x8c => self.string(1)?,
            0x8d => self.string(8)?,
            b'B' => self.bytes(4)?,
            b'C' => self.bytes(1)?,
            0x8e | 0x96 => self.bytes(8)?,
            b'h' => {
                let key = self.input.number(1)?;
                self.recall(key)?;
            }
            b'j' => {
                let key = self.input.number(4)?;
                self.recall(key)?;
            }
            b'q' => {
                let key = self.input.number(1)?;
                self.remember(key as u32)?;
            }
            b'r' => {
                let key = self.input.number(4)?;
                self.remember(key as u32)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            b't' | b'l' => {
                let items = self.pop_mark()?;
                self.push(Value::List(items))?;
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(op - 0x84))?;
                self.push(Value::List(items))?;
            }
            0x91 => {
                self.pop_mark()?;
                self.push(Value::Opaque)?;
            }
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Value::Dict(pairs(&items)?))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_mark()?;
                self.extend(&items)?;
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.set(&items)?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set(&items)?;
            }
            b'c' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.push(Value::Global(module, name))?;
            }
            0x93 => {
                let items = self.pop_many(2)?;
                let value = match (&self.values[items[0] as usize], &self.values[items[1] as usize]) {
                    (Value::Text(module), Value::Text(name)) => Value::Global(module, name),
                    _ => Value::Opaque,
                };
                self.push(value)?;
            }
            b'R' | 0x81 => {
                let items = self.pop_many(2)?;
                self.call(items[0], items[1])?;
            }
            0x92 => {
                let items = self.pop_many(3)?;
                self.call(items[0], items[1])?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))?;
            }
            _ => {
                return Err(format!("uses pickle operation {op:#04x} at byte {at}, which checkpoints do not need"));
            }
        }
        Ok(true)
    }

    fn constant(&mut self, op: u8) -> Result<(), String> {
        let value = match op {
            b']' | b')' => Value::List(Vec::new()),
            b'}' => Value::Dict(Vec::new()),
            0x88 => Value::Int(1),
            0x89 => Value::Int(0),
            _ => Value::Opaque,
        };
        self.push(value)
    }

    fn integer(&mut self, op: u8) -> Result<(), String> {
        let value = match op {
            b'J' => Value::Int(i64::from(self.input.number(4)? as u32 as i32)),
            b'K' => Value::Int(self.input.number(1)? as i64),
            b'M' => Value::Int(self.input.number(2)? as i64),
            _ => {
                let bytes = self.input.counted(if op == 0x8a { 1 } else { 4 })?;
                if bytes.len() > 8 {
                    // The state of a random generator, say.
                    Value::Opaque
                } else {
                    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
                    let mut all = [if negative { 0xff } else { 0 }; 8];
                    all[..bytes.len()].copy_from_slice(bytes);
                    Value::Int(i64::from_le_bytes(all))
                }
            }
        };
        self.push(value)
    }

    fn string(&mut self, length_bytes: usize) -> Result<(), String> {
        let bytes = self.input.counted(length_bytes)?;
        self.push(std::str::from_utf8(bytes).map_or(Value::Opaque, Value::Text))
    }

    fn bytes(&mut self, length_bytes: usize) -> Result<(), String> {
        self.input.counted(length_bytes)?;
        self.push(Value::Opaque)
    }

    fn call(&mut self, function: Id, arguments: Id) -> Result<(), String> {
        let value = match self.values[function as usize] {
            Value::Global("collections", "OrderedDict") => Value::Dict(Vec::new()),
            _ => Value::Call(function, arguments),
        };
        self.push(value)
    }

    /// Appends to the list on top of the stack; anything else on top is an object nobody reads.
    fn extend(&mut self, items: &[Id]) -> Result<(), String> {
        let top = self.top()?;
        if let Value::List(list) = &mut self.values[top as usize] {
            list.extend_from_slice(items);
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), String> {
        let top = self.top()?;
        let new = pairs(items)?;
        if let Value::Dict(dict) = &mut self.values[top as usize] {
            dict.extend(new);
        }
        Ok(())
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), String> {
        if self.values.len() >= MOST_VALUES {
            return Err(too_many());
        }
        self.stack.push(self.values.len() as Id);
        self.values.push(value);
        Ok(())
    }

    fn top(&self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let above = &self.stack[floor.min(self.stack.len())..];
        above.last().copied().ok_or_else(underflow)
    }

    fn pop(&mut self) -> Result<Id, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, n: usize) -> Result<Vec<Id>, String> {
        let mut items = (0..n).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        Ok(items)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, String> {
        let floor = self.marks.pop().ok_or_else(underflow)?;
        if floor > self.stack.len() {
            return Err(underflow());
        }
        Ok(self.stack.split_off(floor))
    }

    fn remember(&mut self, key: u32) -> Result<(), String> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), String> {
        let id = self.memo.get(&(key as u32)).copied();
        let id = id.ok_or_else(|| "refers to an object it never described".to_owned())?;
        self.stack.push(id);
        Ok(())
    }
}

fn too_many() -> String {
    "describes more objects than any checkpoint has".to_owned()
}

fn underflow() -> String {
    "takes from an empty stack".to_owned()
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, String> {
    let (pairs, rest) = items.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|p| (p[0], p[1])).collect())
    } else {
        Err("gives a dict a key without a value".to_owned())
    }
}
