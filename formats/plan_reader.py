#!/usr/bin/env python3
"""Reads a plan file by formats/plan.md alone, with the standard library, and prints what it holds as JSON.

    plan_reader.py PLAN                          everything but the weights' elements
    plan_reader.py PLAN --deep                   checks the weights' CRC-32 as well
    plan_reader.py PLAN --tensor NAME --row R    one row of logical weights

Exit codes: 0 fine, 65 not a valid plan, 66 no such file or tensor, 69 made by a version that this reader does not know.
"""

import argparse
import json
import math
import mmap
import os
import stat
import struct
import sys
import zlib

MAGIC = bytes([0x89, 0x4C, 0x50, 0x4C, 0x0D, 0x0A, 0x1A, 0x0A])
KINDS = {1: "weights", 2: "program", 3: "tensors", 4: "tokenizer", 5: "chat_template", 6: "facts", 7: "skipped"}
REQUIRED = (1, 2, 3)
DEFLATED, IGNORABLE = 1, 2
COLD = (5, 6)
TILE, BLOCK, NONE = 16, 32, 0xFFFFFFFF
GROUPS = (32, 64, 128)

# name, bytes of an element
FLOATS = {0: ("float32", 4), 1: ("float16", 2), 2: ("bfloat16", 2)}

# name, bits of a code, step, zero, affine
INTEGERS = {
    3: ("int4_symmetric", 4, 1, 8, False),
    4: ("int4_affine", 4, 1, 0, True),
    5: ("int5_symmetric", 5, 1, 16, False),
    6: ("int5_affine", 5, 1, 0, True),
    7: ("int8_symmetric", 8, 1, 128, False),
    8: ("int6_symmetric", 6, 1, 32, False),
    9: ("int3_centered", 3, 2, 7, False),
    10: ("int2_centered", 2, 2, 3, False),
}

# name, operands: b buffer, t tensor, o optional tensor, s state, f float, n number
OPCODES = {
    1: ("embed", [("table", "t"), ("first", "n"), ("output", "b")]),
    2: ("rotary_table", [("frequencies", "t"), ("factor", "f"), ("output", "b")]),
    3: ("normalize", [("input", "b"), ("weight", "o"), ("epsilon", "f"), ("output", "b")]),
    4: ("quantize", [("input", "b"), ("output", "b")]),
    5: ("multiply", [("input", "b"), ("weight", "t"), ("bias", "o"), ("output", "b"), ("column", "n"),
                   ("accumulate", "n")]),
    14: ("multiply_masks", [("input", "b"), ("weight", "t"), ("output", "b"), ("accumulate", "n")]),
    8: ("gate", [("input", "b"), ("output", "b")]),
    9: ("select_rows", [("input", "b"), ("output", "b")]),
    10: ("attend", [("projected", "b"), ("rotary", "b"), ("state", "s"), ("query_heads", "n"), ("query_norm", "o"),
                    ("key_norm", "o"), ("epsilon", "f"), ("scale", "f"), ("window", "n"), ("output", "b"),
                    ("sinks", "n")]),
    12: ("attend_grouped", [("projected", "b"), ("rotary", "b"), ("state", "s"), ("query_heads", "n"), ("query_norm", "o"),
                            ("key_norm", "o"), ("epsilon", "f"), ("alpha", "f"), ("group", "n"), ("convolution", "o"),
                            ("output", "b")]),
    13: ("attend_hybrid", [("projected", "b"), ("rotary", "b"), ("state", "s"), ("query_heads", "n"), ("query_norm", "o"),
                           ("key_norm", "o"), ("epsilon", "f"), ("scale", "f"), ("window", "n"), ("output", "b"),
                           ("sinks", "n"), ("block", "n"), ("query_map", "t"), ("key_map", "t"), ("gate", "t")]),
    11: ("attend_shared", [("projected", "b"), ("state", "s"), ("donor", "s"), ("query_heads", "n"), ("output", "b")]),
}

STATES = ("keys_and_values", "values", "sums")
# The kind of state that an instruction attends.
ATTENDED = {"attend": "keys_and_values", "attend_shared": "values", "attend_grouped": "sums", "attend_hybrid": "sums"}


class Refused(Exception):
    def __init__(self, message, code=65):
        super().__init__(message)
        self.code = code


def require(condition, message, code=65):
    if not condition:
        raise Refused(message, code)


def round_up(value, multiple):
    return (value + multiple - 1) // multiple * multiple


def read_sections(data):
    require(len(data) >= 64, "the file is shorter than a header")
    magic, major, minor, count, features, _, size = struct.unpack_from("<8sHHIQQQ", data)
    require(magic == MAGIC, "not a plan: wrong magic number")
    require(major == 4, f"major version {major} is not known", 69)
    require(1 <= count <= 64, f"{count} sections")
    end = 64 + 40 * count
    require(end <= len(data), "the section table is cut off")
    (crc,) = struct.unpack_from("<I", data, 60)
    require(crc == zlib.crc32(data[64:end], zlib.crc32(data[:60])), "the header's checksum does not fit")
    for bit in range(64):
        require(not features >> bit & 1, f"required feature {bit} is not known", 69)
    require(size == len(data), f"the header says {size} bytes, the file has {len(data)}")
    require(not any(data[40:60]), "reserved bytes of the header are not zero")
    digest = 0xCBF29CE484222325
    for byte in data[:end]:
        digest = ((digest ^ byte) * 0x100000001B3) % (1 << 64)
    sections, last = {}, 0
    for index in range(count):
        kind, flags, offset, stored, raw, crc, reserved = struct.unpack_from("<IIQQQII", data, 64 + 40 * index)
        require(kind > last, f"section {kind} is not sorted")
        require(reserved == 0, f"section {kind}: reserved bytes are not zero")
        require(flags & ~3 == 0, f"section {kind}: flags {flags} are not known", 69)
        require(kind in KINDS or flags & IGNORABLE, f"section kind {kind} is not known", 69)
        if kind in KINDS:
            known = DEFLATED if kind in COLD else IGNORABLE if KINDS[kind] == "skipped" else 0
            require(flags == known, f"section {kind}: flags {flags}")
            require(kind in COLD or raw == stored, f"section {kind}: sizes differ")
            require(raw // 1032 <= stored, f"section {kind}: impossible raw size")
        start = round_up(end, 4096 if kind == 1 else 64)
        require(offset == start, f"section {kind} begins at {offset}, not {start}")
        require(1 <= stored <= len(data) - start, f"section {kind} leaves the file")
        require(not any(data[end:start]), f"bytes before section {kind} are not zero")
        end, last = start + stored, kind
        require(kind == 1 or zlib.crc32(data[start:end]) == crc, f"section {kind}: the checksum does not fit")
        sections[kind] = {"kind": KINDS.get(kind, kind), "flags": flags, "offset": offset, "stored_size": stored,
                          "raw_size": raw, "crc32": crc}
    require(end == len(data), "bytes follow the last section")
    for kind in REQUIRED:
        require(kind in sections, f"section {KINDS[kind]} is missing")
    return f"{major}.{minor}", f"{digest:016x}", sections


def content(data, section):
    stored = data[section["offset"]:section["offset"] + section["stored_size"]]
    if not section["flags"] & DEFLATED:
        return stored
    inflater = zlib.decompressobj()
    raw = inflater.decompress(stored, section["raw_size"] + 1)
    require(len(raw) == section["raw_size"] and inflater.eof and not inflater.unused_data,
            f"section {section['kind']} does not inflate to its size")
    return raw


def decode_name(name):
    require(1 <= len(name) <= 1024, f"a name of {len(name)} bytes")
    try:
        text = bytes(name).decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(f"a name is not UTF-8: {bytes(name)!r}") from None
    require(not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in text), "a name holds control characters")
    return text


def tensor_bytes(tensor):
    if tensor["layout"] == "vector":
        return 4 * tensor["columns"]
    return (tensor["rows"] + TILE - 1) // TILE * tile_bytes(tensor)


def tile_bytes(tensor):
    number, columns = tensor["packing_number"], tensor["columns"]
    if number in FLOATS:
        return columns * TILE * FLOATS[number][1]
    block, numbers = group_bytes(number)
    return columns // BLOCK * block + (columns + tensor["group"] - 1) // tensor["group"] * numbers


def group_bytes(number):
    """Bytes of a block of codes, and of the scales and minimums behind a group's blocks."""
    _, bits, _, _, affine = INTEGERS[number]
    return 64 * bits, 64 if affine else 32


def read_tensors(section, weights_size):
    require(len(section) >= 16, "the tensors section is cut off")
    count, name_bytes, reserved = struct.unpack_from("<IIQ", section)
    require(reserved == 0, "tensors: reserved bytes are not zero")
    require(len(section) == 16 + 40 * count + name_bytes, "the tensors section has the wrong size")
    tensors, end, position, names = [], 0, 16 + 40 * count, set()
    for index in range(count):
        layout, packing, rows, columns, offset, length, group = struct.unpack_from(
            "<IIQQQII", section, 16 + 40 * index)
        require(position + length <= len(section), f"tensor {index}: the name is cut off")
        name = decode_name(section[position:position + length])
        position += length
        require(name not in names, f"tensor {index}: another tensor is called {name}")
        names.add(name)
        require(layout in (0, 1), f"tensor {index}: layout {layout} is not known", 69)
        require(1 <= rows <= 1 << 24 and 1 <= columns <= 1 << 24, f"tensor {index}: {rows} by {columns}")
        tensor = {"name": name, "layout": ("vector", "matrix")[layout], "rows": rows, "columns": columns,
                  "offset": offset}
        if layout == 1:
            require(packing in FLOATS or packing in INTEGERS, f"tensor {index}: packing {packing} is not known", 69)
            tensor |= {"packing": (FLOATS.get(packing) or INTEGERS[packing])[0], "packing_number": packing}
        else:
            require(packing == 0 and rows == 1, f"tensor {index}: not a vector")
        if layout == 1 and packing in INTEGERS:
            require(group in GROUPS, f"tensor {index}: groups of {group} columns")
            require(columns % BLOCK == 0, f"tensor {index}: {columns} columns")
            tensor["group"] = group
        else:
            require(group == 0, f"tensor {index}: floats in groups of {group} columns")
        tensor["bytes"] = tensor_bytes(tensor)
        require(offset % 64 == 0 and 0 <= offset - end < 4096, f"tensor {index} begins at {offset} after {end}")
        end = offset + tensor["bytes"]
        require(end <= weights_size, f"tensor {index} leaves the weights")
        tensors.append(tensor)
    require(position == len(section), "the tensors' names have the wrong size")
    require(count > 0 and weights_size - end < 4096, "the weights do not end with their last tensor")
    return tensors


def read_instruction(section, offset, place, counts):
    words = struct.unpack_from("<16I", section, offset)
    require(words[0] in OPCODES, f"{place}: opcode {words[0]} is not known", 69)
    name, operands = OPCODES[words[0]]
    instruction = {"name": name}
    for index, (operand, kind) in enumerate(operands, 1):
        word = words[index]
        if kind == "f":
            (value,) = struct.unpack_from("<f", section, offset + 4 * index)
            require(math.isfinite(value), f"{place}: {operand} is not finite")
        elif kind == "o" and word == NONE:
            value = None
        else:
            value = word
            require(kind == "n" or word < counts[kind], f"{place}: {operand} {word} does not exist")
        instruction[operand] = value
    require(not any(words[len(operands) + 1:]), f"{place}: reserved words are not zero")
    return instruction


def check_embeddings(body, tensors, vocabulary):
    """The tables that follow each other with one output have a row for every token, in order."""
    output, end = None, vocabulary
    for index, instruction in enumerate(body + [{"name": "end"}]):
        is_next = instruction["name"] == "embed" and end < vocabulary and instruction["output"] == output
        require(is_next or end == vocabulary, f"instruction {index}: the embedding before it ends at token {end}")
        if instruction["name"] != "embed":
            output = None
            continue
        if end == vocabulary and instruction["output"] == output and instruction["first"] == vocabulary:
            rows = tensors[instruction["table"]]["rows"]
            require(rows <= 16, f"instruction {index}: masks in {rows} places")
            output = None
            continue
        output, start = instruction["output"], end if is_next else 0
        require(instruction["first"] == start, f"instruction {index}: the table does not begin at token {start}")
        end = start + tensors[instruction["table"]]["rows"]
        require(end <= vocabulary, f"instruction {index}: the embedding ends at token {end} of {vocabulary}")


def read_head_maps(section, instructions):
    """Gives each attend shared its entries, in order."""
    position = 0
    for index, instruction in enumerate(instructions):
        if instruction["name"] == "attend_shared":
            count = instruction["query_heads"]
            require(count <= (len(section) - position) // 4, f"instruction {index}: the head maps end too early")
            instruction["head_map"] = list(struct.unpack_from(f"<{count}I", section, position))
            position += 4 * count
    require(position == len(section), "the head maps have entries without an instruction")


def check_attention(body, head, states, tensors):
    """Every state is attended once, and shared weights are those of the last attend."""
    require(not any(instruction["name"].startswith("attend") for instruction in head), "the head attends")
    attended, donor = set(), None
    for index, instruction in enumerate(body):
        if not instruction["name"].startswith("attend"):
            continue
        state, heads, name = instruction["state"], instruction["query_heads"], instruction["name"]
        require(state not in attended, f"instruction {index}: state {state} is attended twice")
        attended.add(state)
        require(states[state]["kind"] == ATTENDED[name], f"instruction {index}: state {state} is of another kind")
        require(heads >= 1 and heads % states[state]["heads"] == 0, f"instruction {index}: {heads} query heads")
        if name == "attend_grouped":
            taps = 0
            if instruction["convolution"] is not None:
                convolution = tensors[instruction["convolution"]]
                require(convolution["layout"] == "vector" and convolution["columns"] % heads == 0,
                        f"instruction {index}: the convolution")
                taps = convolution["columns"] // heads
            require(1 <= instruction["group"] <= 240 - taps,
                    f"instruction {index}: groups of {instruction['group']}, {taps} taps")
            require(states[state]["features"] == states[state]["dimensions"] and not states[state]["weighed"],
                    f"instruction {index}: the state's sums are others")
            continue
        if name in ("attend", "attend_hybrid"):
            window, sinks = instruction["window"], instruction["sinks"]
            require(window < 1 << 31 and sinks <= 256, f"instruction {index}: a window of {window}, {sinks} sinks")
            require(window > 0 or sinks == 0, f"instruction {index}: sinks without a window")
            donor = instruction if name == "attend" else None
            if name == "attend_hybrid":
                check_sums(instruction, states[state], tensors, index)
            continue
        require(donor is not None and instruction["donor"] == donor["state"],
                f"instruction {index}: state {instruction['donor']} is not that of the last attend")
        require(heads == donor["query_heads"], f"instruction {index}: {heads} query heads")
        require(all(entry < heads for entry in instruction["head_map"]), f"instruction {index}: the head map")
    require(len(attended) == len(states), "a state is not attended")


def check_sums(instruction, state, tensors, index):
    """The maps of a window with sums have one shape for all heads, and the state room for them."""
    block, heads, dimensions = instruction["block"], instruction["query_heads"], state["dimensions"]
    require(1 <= block <= 240 and instruction["window"] > 0 and instruction["window"] % block == 0,
            f"instruction {index}: a window of {instruction['window']} in blocks of {block}")
    query_map, key_map, gate = (tensors[instruction[name]] for name in ("query_map", "key_map", "gate"))
    for each in (query_map, key_map):
        require(each["layout"] == "matrix" and each["packing_number"] in FLOATS and each["columns"] == dimensions,
                f"instruction {index}: a feature map")
    rows = query_map["rows"] // heads
    require(query_map["rows"] == rows * heads and rows % 16 == 0 and 16 <= rows <= 256,
            f"instruction {index}: {query_map['rows']} rows of feature maps")
    require(key_map["rows"] in (rows * heads, rows * state["heads"]), f"instruction {index}: the key map")
    require(state["weighed"] and state["features"] == 2 * key_map["rows"] // state["heads"],
            f"instruction {index}: the state's sums are others")
    require(gate["layout"] == "vector" and gate["columns"] == heads * (dimensions + 2), f"instruction {index}: the gate")


def read_program(section, tensors):
    require(len(section) >= 64, "the program section is cut off")
    (buffer_count, state_count, body_count, head_count, logits, maximum_rows, maximum_outputs, vocabulary,
     context, arena, name_bytes, map_entries) = struct.unpack_from("<8IQQ2I", section)
    require(not any(section[56:64]), "program: reserved bytes are not zero")
    states_at = 64 + 32 * buffer_count
    body_at = states_at + 32 * state_count
    maps_at = body_at + 64 * (body_count + head_count)
    names_at = maps_at + 4 * map_entries
    require(len(section) == names_at + name_bytes, "the program section has the wrong size")
    require(1 <= maximum_rows <= 4096 and 1 <= maximum_outputs <= maximum_rows, "the numbers of rows")
    require(1 <= vocabulary <= 1 << 24 and 1 <= context <= 1 << 24, "vocabulary or context length")
    require(arena % 64 == 0 and arena <= 1 << 36, f"an arena of {arena} bytes")
    require(logits < buffer_count, f"logits in buffer {logits}")
    buffers, position = [], names_at
    for index in range(buffer_count):
        element, rows, width, offset, length, reserved = struct.unpack_from("<IIQQII", section, 64 + 32 * index)
        require(position + length <= len(section), f"buffer {index}: the name is cut off")
        name = decode_name(section[position:position + length])
        position += length
        require(element in (0, 1) and rows in (0, 1), f"buffer {index}: element {element}, rows {rows}", 69)
        require(reserved == 0 and 1 <= width <= 1 << 24, f"buffer {index}: width {width}")
        stride = round_up(40 * ((width + BLOCK - 1) // BLOCK) if element else 4 * width, 64)
        size = stride * (maximum_outputs if rows else maximum_rows)
        require(offset % 64 == 0 and offset + size <= arena, f"buffer {index} leaves the arena")
        buffers.append({"name": name, "element": ("float32", "quantized")[element],
                        "rows": ("step", "outputs")[rows], "width": width, "offset": offset, "bytes": size})
    require(position == len(section), "the buffers' names have the wrong size")
    states = []
    for index in range(state_count):
        kind, heads, dimensions, element, features, weighed, *reserved = struct.unpack_from(
            "<8I", section, states_at + 32 * index)
        require(kind < len(STATES) and element in (0, 1, 2), f"state {index}: kind {kind}, element {element}", 69)
        require(heads >= 1 and dimensions >= 2 and dimensions % 2 == 0, f"state {index}: {heads} by {dimensions}")
        require(element != 2 or kind != STATES.index("sums"), f"state {index}: sums in int8")
        require(element != 2 or dimensions % BLOCK == 0, f"state {index}: int8 with {dimensions} dimensions")
        has_sums = kind == STATES.index("sums")
        require(not any(reserved) and (has_sums or features == weighed == 0), f"state {index}: reserved words are not zero")
        require(not has_sums or (1 <= features <= 1 << 24 and weighed <= 1), f"state {index}: {features} features")
        states.append({"kind": STATES[kind], "heads": heads, "dimensions": dimensions,
                       "element": ("float16", "float32", "int8")[element]}
                      | ({"features": features, "weighed": bool(weighed)} if has_sums else {}))
    counts = {"b": buffer_count, "t": len(tensors), "o": len(tensors), "s": state_count}
    instructions = [read_instruction(section, body_at + 64 * i, f"instruction {i}", counts)
                    for i in range(body_count + head_count)]
    read_head_maps(section[maps_at:names_at], instructions)
    check_embeddings(instructions[:body_count], tensors, vocabulary)
    check_attention(instructions[:body_count], instructions[body_count:], states, tensors)
    return {"buffers": buffers, "states": states, "body": instructions[:body_count],
            "head": instructions[body_count:], "logits": logits, "maximum_rows": maximum_rows,
            "maximum_outputs": maximum_outputs, "vocabulary_size": vocabulary, "context_length": context,
            "arena_bytes": arena}


def read_skipped(section, program):
    """Indices of body instructions, rising."""
    require(len(section) % 4 == 0, "the skipped instructions end in the middle of a number")
    skipped = list(struct.unpack(f"<{len(section) // 4}I", section))
    require(all(a < b for a, b in zip(skipped, skipped[1:])) and skipped[-1] < len(program["body"]),
            "the skipped instructions are not some of the body's, in order")
    return skipped


def logical_row(weights, tensor, row):
    """One row of logical weights, as exact as floats of 64 bits are."""
    require(0 <= row < tensor["rows"], f"{tensor['name']} has {tensor['rows']} rows", 66)
    columns = tensor["columns"]
    if tensor["layout"] == "vector":
        return list(struct.unpack_from(f"<{columns}f", weights, tensor["offset"]))
    number = tensor["packing_number"]
    tile = tensor["offset"] + row // TILE * tile_bytes(tensor)
    if number in FLOATS:
        return finite(tensor, [float_value(weights, number, tile, row % TILE, column) for column in range(columns)])
    return finite(tensor, [integer_value(weights, tensor, tile, row % TILE, column) for column in range(columns)])


def float_value(weights, number, tile, lane, column):
    name, size = FLOATS[number]
    place = tile + (column * TILE + lane) * size
    if name == "bfloat16":
        return struct.unpack("<f", b"\0\0" + bytes(weights[place:place + 2]))[0]
    return struct.unpack_from("<f" if name == "float32" else "<e", weights, place)[0]


def integer_value(weights, tensor, tile, lane, column):
    _, bits, step, zero, affine = INTEGERS[tensor["packing_number"]]
    block_bytes, number_bytes = group_bytes(tensor["packing_number"])
    group, columns, c = tensor["group"], tensor["columns"], column % BLOCK
    before = column // group
    place = tile + column // BLOCK * block_bytes + before * number_bytes
    code = code_value(weights, place, bits, lane, c)
    numbers = tile + min((before + 1) * group, columns) // BLOCK * block_bytes + before * number_bytes
    (scale,) = struct.unpack_from("<e", weights, numbers + 2 * lane)
    minimum = struct.unpack_from("<e", weights, numbers + 32 + 2 * lane)[0] if affine else 0.0
    return scale * (step * code - zero) + minimum


def code_value(weights, block, bits, lane, c):
    line = c // 4
    if bits in (3, 6):
        third, shift, first = (1, 4 * (line // 4), 0) if bits == 3 else (2, 0, line // 4 * 3)
        units = [weights[block + 64 * (first + i) + 4 * lane + c % 4] >> shift for i in range(3)]
        if line % 4 < 3:
            return units[line % 4] >> third & (1 << bits) - 1
        return sum((unit & (1 << third) - 1) << third * i for i, unit in enumerate(units))
    width = 4 if bits == 5 else bits
    byte = weights[block + line * width // 8 * 64 + 4 * lane + c % 4]
    code = byte >> line * width % 8 & (1 << width) - 1
    if bits == 5:
        (mask,) = struct.unpack_from("<Q", weights, block + 256 + 8 * line)
        code |= (mask >> (4 * lane + c % 4) & 1) << 4
    return code


def finite(tensor, values):
    require(all(map(math.isfinite, values)), f"{tensor['name']} holds numbers that are not finite")
    return values


def read_plan(data, deep):
    version, digest, sections = read_sections(data)
    tensors = read_tensors(content(data, sections[3]), sections[1]["stored_size"])
    plan = {"version": version, "digest": digest, "file_size": len(data), "sections": list(sections.values()),
            "tensors": tensors, "program": read_program(content(data, sections[2]), tensors)}
    if 7 in sections:
        plan["skipped"] = read_skipped(content(data, sections[7]), plan["program"])
    for kind in COLD:
        if kind in sections:
            try:
                plan[KINDS[kind]] = bytes(content(data, sections[kind])).decode("utf-8")
            except (UnicodeDecodeError, zlib.error) as error:
                raise Refused(f"section {KINDS[kind]}: {error}") from None
    if 6 in sections:
        try:
            plan["facts"] = json.loads(plan["facts"])
        except ValueError as error:
            raise Refused(f"section facts: {error}") from None
    if deep:
        weights = sections[1]
        crc = zlib.crc32(data[weights["offset"]:weights["offset"] + weights["stored_size"]])
        require(crc == weights["crc32"], "the weights' checksum does not fit")
    return plan, sections


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plan")
    parser.add_argument("--deep", action="store_true", help="check the weights' CRC-32 as well")
    parser.add_argument("--tensor", metavar="NAME", help="print one row of this tensor")
    parser.add_argument("--row", type=int, default=0, metavar="R")
    options = parser.parse_args()
    try:
        require(stat.S_ISREG(os.stat(options.plan).st_mode), "not a regular file")
        with open(options.plan, "rb") as file:
            require(file.seek(0, 2) > 0, "the file is empty")
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        plan, sections = read_plan(data, options.deep)
        if options.tensor is None:
            result = plan
        else:
            found = [tensor for tensor in plan["tensors"] if tensor["name"] == options.tensor]
            require(found, f"no tensor is called {options.tensor}", 66)
            result = logical_row(content(data, sections[1]), found[0], options.row)
    except Refused as error:
        print(f"{options.plan}: {error}", file=sys.stderr)
        return error.code
    except OSError as error:
        print(error, file=sys.stderr)
        return 66
    json.dump(result, sys.stdout, ensure_ascii=False, allow_nan=False)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
