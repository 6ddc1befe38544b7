//! The order of the functions in a wasm module, for those who fetch it compressed. Gzip finds again what it saw within the
//! last 32 KiB, and compilers give functions in an order that knows nothing of that: placed beside what they resemble, the
//! same functions are a thirtieth smaller on the wire. The program is unchanged, and so is its order from build to build.

use std::collections::{HashMap, VecDeque};

use anyhow::{Context, Result};
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, FunctionSection, Module};
use wasmparser::{CodeSectionReader, FunctionSectionReader, Parser, Payload, TypeRef};

/// The bytes that two functions have to share in one piece to resemble each other. Below four, deflate looks for nothing.
const SHARED_BYTES: usize = 6;

/// What that many functions have in common is the same everywhere and says nothing about any two of them.
const COMMON_TO: usize = 20;

/// What a function is compared with, in bytes: of deflate's 32 KiB, what is left for the function itself.
const WINDOW_BYTES: usize = 28_000;

/// The same module with its functions in an order that compresses better.
///
/// # Errors
/// The bytes are no module that `wasmparser` reads.
pub fn reorder(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut imported = 0;
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.context("cannot read the wasm")? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.as_bytes()),
            _ => {}
        }
    }
    let order = by_resemblance(&bodies);
    let mut places = vec![0; order.len()];
    for (place, &function) in (0..).zip(&order) {
        places[function] = place;
    }
    let mut module = Module::new();
    Reordered { imported, order, places }
        .parse_core_module(&mut module, Parser::new(0), wasm)
        .context("cannot write the wasm")?;
    Ok(module.finish())
}

/// A permutation of the functions that a module defines; those that it imports come before them and stay.
struct Reordered {
    imported: u32,
    /// For each place, the function that goes there.
    order: Vec<usize>,
    /// For each function, its place.
    places: Vec<u32>,
}

impl Reencode for Reordered {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error> {
        let place = function.checked_sub(self.imported).map(|defined| self.places[defined as usize] + self.imported);
        Ok(place.unwrap_or(function))
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        let types = section.into_iter().collect::<Result<Vec<_>, _>>()?;
        for &function in &self.order {
            functions.function(types[function]);
        }
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Result<(), Error> {
        let bodies = section.into_iter().collect::<Result<Vec<_>, _>>()?;
        for function in self.order.clone() {
            self.parse_function_body(code, bodies[function].clone())?;
        }
        Ok(())
    }
}

/// Greedy: next comes the function of which the largest part stands in the window already, measured against the square
/// root of its size, so that neither the shortest nor the longest always win. Where nothing resembles the window, the
/// longest.
fn by_resemblance(bodies: &[&[u8]]) -> Vec<usize> {
    let pieces = Pieces::of(bodies);
    let mut scores = vec![0_u32; bodies.len()];
    let mut seen = vec![0_u32; pieces.holders.len()];
    let (mut window, mut bytes) = (VecDeque::new(), 0);
    let mut left: Vec<usize> = (0..bodies.len()).collect();
    let mut order = Vec::with_capacity(bodies.len());
    let worth = |score: u32, function: usize| {
        (f64::from(score) / (bodies[function].len() as f64).sqrt(), bodies[function].len())
    };
    while let Some(best) = (0..left.len()).reduce(|a, b| {
        let [x, y] = [a, b].map(|at| worth(scores[left[at]], left[at]));
        if y.partial_cmp(&x).is_some_and(std::cmp::Ordering::is_gt) { b } else { a }
    }) {
        // Not `swap_remove`: among equals the earlier one is taken, so that neighbours stay neighbours.
        let function = left.remove(best);
        order.push(function);
        window.push_back(function);
        bytes += bodies[function].len();
        for &piece in &pieces.of_function[function] {
            seen[piece] += 1;
            if seen[piece] == 1 {
                pieces.holders[piece].iter().for_each(|&holder| scores[holder] += 1);
            }
        }
        while bytes > WINDOW_BYTES && window.len() > 1 {
            let Some(gone) = window.pop_front() else { break };
            bytes -= bodies[gone].len();
            for &piece in &pieces.of_function[gone] {
                seen[piece] -= 1;
                if seen[piece] == 0 {
                    pieces.holders[piece].iter().for_each(|&holder| scores[holder] -= 1);
                }
            }
        }
    }
    order
}

/// The pieces of [`SHARED_BYTES`] that more than one function has, and not more than [`COMMON_TO`].
struct Pieces {
    of_function: Vec<Vec<usize>>,
    holders: Vec<Vec<usize>>,
}

impl Pieces {
    fn of(bodies: &[&[u8]]) -> Self {
        let mut numbers = HashMap::new();
        let mut holders: Vec<Vec<usize>> = Vec::new();
        for (function, body) in bodies.iter().enumerate() {
            for piece in body.windows(SHARED_BYTES) {
                let number = *numbers.entry(piece).or_insert(holders.len());
                if number == holders.len() {
                    holders.push(Vec::new());
                }
                if holders[number].last() != Some(&function) {
                    holders[number].push(function);
                }
            }
        }
        holders.retain(|holders| (2..=COMMON_TO).contains(&holders.len()));
        let mut of_function = vec![Vec::new(); bodies.len()];
        for (number, holders) in holders.iter().enumerate() {
            holders.iter().for_each(|&holder| of_function[holder].push(number));
        }
        Self { of_function, holders }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use wasm_encoder::{
        ConstExpr, ElementSection, Elements, EntityType, ExportKind, ExportSection, Function, ImportSection,
        InstructionSink, RefType, StartSection, TableSection, TableType, TypeSection,
    };
    use wasmparser::Validator;

    use super::*;

    /// Functions of two kinds in turn, so that no neighbours resemble each other; each differs in one constant.
    fn module(count: u32) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        imports.import("host", "call", EntityType::Function(0));
        let mut functions = FunctionSection::new();
        let mut code = CodeSection::new();
        for n in 0..count {
            functions.function(0);
            let mut body = Function::new([]);
            let mut sink = body.instructions();
            for step in 0..3000 {
                noise(&mut sink, step * 2 + n % 2);
            }
            sink.i32_const(i32::try_from(n).unwrap()).drop();
            // The next one, and the import.
            sink.call(1 + (n + 1) % count).call(0).end();
            code.function(&body);
        }
        let mut tables = TableSection::new();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: 2,
            maximum: None,
            shared: false,
        });
        let mut exports = ExportSection::new();
        exports.export("first", ExportKind::Func, 1);
        let mut elements = ElementSection::new();
        elements.active(None, &ConstExpr::i32_const(0), Elements::Functions([2, 0].as_slice().into()));
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&tables).section(&exports);
        module.section(&StartSection { function_index: count }).section(&elements).section(&code);
        module.finish()
    }

    /// What no compressor can shorten: a constant made of the number.
    fn noise(sink: &mut InstructionSink<'_>, number: u32) {
        sink.i32_const(number.wrapping_mul(2_654_435_761).cast_signed()).drop();
    }

    fn gzip(bytes: &[u8]) -> usize {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().len()
    }

    /// The constant that ends each function stands for its name: whom it calls, in the words of these names.
    fn calls(wasm: &[u8]) -> Vec<(i32, i32)> {
        let mut functions = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            if let Payload::CodeSectionEntry(body) = payload.unwrap() {
                let (mut name, mut called) = (None, None);
                for operator in body.get_operators_reader().unwrap() {
                    match operator.unwrap() {
                        wasmparser::Operator::I32Const { value } => name = Some(value),
                        wasmparser::Operator::Call { function_index } => called = called.or(Some(function_index)),
                        _ => {}
                    }
                }
                functions.push((name.unwrap(), called.unwrap()));
            }
        }
        let mut named: Vec<_> =
            functions.iter().map(|&(name, called)| (name, functions[called as usize - 1].0)).collect();
        named.sort_unstable();
        named
    }

    #[test]
    fn functions_that_resemble_each_other_become_neighbours_and_the_module_is_smaller_on_the_wire() {
        let before = module(8);
        let after = reorder(&before).unwrap();
        assert!(gzip(&after) * 2 < gzip(&before), "{} of {} bytes", gzip(&after), gzip(&before));
        assert_eq!(after.len(), before.len());
    }

    #[test]
    fn everybody_calls_whom_they_called() {
        let before = module(8);
        let after = reorder(&before).unwrap();
        Validator::new().validate_all(&after).unwrap();
        assert_ne!(before, after);
        assert_eq!(calls(&before), calls(&after));
        assert_eq!(calls(&after), (0..8).map(|n| (n, (n + 1) % 8)).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_exported_started_and_in_a_table_is_what_it_was_and_an_import_stays() {
        let names = |wasm: &[u8]| {
            let mut names = Vec::new();
            let mut found = Vec::new();
            for payload in Parser::new(0).parse_all(wasm) {
                match payload.unwrap() {
                    Payload::ExportSection(section) => found.extend(section.into_iter().map(|e| e.unwrap().index)),
                    Payload::StartSection { func, .. } => found.push(func),
                    Payload::ElementSection(section) => {
                        for element in section {
                            let wasmparser::ElementItems::Functions(items) = element.unwrap().items else { panic!() };
                            found.extend(items.into_iter().map(Result::unwrap));
                        }
                    }
                    Payload::CodeSectionEntry(body) => {
                        let constants = body.get_operators_reader().unwrap().into_iter().filter_map(|o| match o {
                            Ok(wasmparser::Operator::I32Const { value }) => Some(value),
                            _ => None,
                        });
                        names.push(constants.last().unwrap());
                    }
                    _ => {}
                }
            }
            found.into_iter().map(|f| f.checked_sub(1).map(|f| names[f as usize])).collect::<Vec<_>>()
        };
        let after = reorder(&module(8)).unwrap();
        assert_eq!(names(&after), [Some(0), Some(7), Some(1), None]);
        assert_eq!(names(&module(8)), names(&after));
    }

    #[test]
    fn the_order_is_the_same_each_time() {
        assert_eq!(reorder(&module(8)).unwrap(), reorder(&module(8)).unwrap());
    }

    #[test]
    fn what_is_no_wasm_is_refused() {
        assert!(reorder(b"\0asm").is_err());
        assert!(reorder(b"no module").is_err());
    }
}
