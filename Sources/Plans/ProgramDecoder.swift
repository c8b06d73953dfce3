/// Reads the program and tensors sections. What it returns has the right form; the verifier checks what it means.
enum ProgramDecoder {
    static let keysAndValues: UInt32 = 0
    static let values: UInt32 = 1
    static let sums: UInt32 = 2
    static let vector: UInt32 = 0
    static let matrix: UInt32 = 1

    static let programHeaderBytes = 64
    static let bufferBytes = 32
    static let stateBytes = 32
    static let headMapEntryBytes = 4
    static let tensorsHeaderBytes = 16
    static let tensorBytes = 40

    static func program(
        _ bytes: UnsafeRawBufferPointer, tensors: [Tensor], limits: Limits
    ) throws(PlanError) -> Program {
        var reader = ByteReader(bytes, section: SectionKind.program.rawValue)
        let bufferCount = try count(&reader, limit: limits.buffers)
        let stateCount = try count(&reader, limit: limits.states)
        let bodyCount = try count(&reader, limit: limits.instructions)
        let headCount = try count(&reader, limit: limits.instructions)
        let logits = try BufferIndex(&reader)
        let maximumRows = try reader.number32()
        let maximumOutputs = try reader.number32()
        let vocabularySize = try reader.number32()
        let contextLength = try reader.number64()
        let arenaBytes = try reader.number64()
        let nameBytes = try reader.number32()
        let headMapEntries = try count(&reader, limit: limits.headMapEntries)
        try reader.zeros(8)
        // Counts are below 2^32 and records small: the sum stays far below 2^63.
        try expect(
            reader,
            bytes: bufferCount * bufferBytes + stateCount * stateBytes
                + (bodyCount + headCount) * Instruction.recordBytes + headMapEntries * headMapEntryBytes + nameBytes)

        var buffers: [Buffer] = []
        buffers.reserveCapacity(bufferCount)
        var nameLengths: [Int] = []
        nameLengths.reserveCapacity(bufferCount)
        for index in 0..<bufferCount {
            let (buffer, nameLength) = try buffer(&reader, index: index)
            buffers.append(buffer)
            nameLengths.append(nameLength)
        }
        var states: [MixerState] = []
        states.reserveCapacity(stateCount)
        for index in 0..<stateCount { states.append(try state(&reader, index: index)) }
        // The maps lie behind the instructions that they belong to.
        var headMaps = reader
        _ = try headMaps.slice((bodyCount + headCount) * Instruction.recordBytes)
        headMaps = ByteReader(try headMaps.slice(headMapEntries * headMapEntryBytes), section: headMaps.section)
        var body: [Instruction] = []
        body.reserveCapacity(bodyCount)
        for index in 0..<bodyCount {
            body.append(try Instruction(&reader, headMaps: &headMaps, at: .body(index)))
        }
        var head: [Instruction] = []
        head.reserveCapacity(headCount)
        for index in 0..<headCount {
            head.append(try Instruction(&reader, headMaps: &headMaps, at: .head(index)))
        }
        guard headMaps.remaining == 0 else {
            throw PlanError(
                .invalid, "every entry of the head maps belongs to an instruction", at: .program,
                found: .number(headMaps.remaining / headMapEntryBytes))
        }
        _ = try reader.slice(headMapEntries * headMapEntryBytes)
        for index in 0..<bufferCount { buffers[index].name = [UInt8](try reader.slice(nameLengths[index])) }
        try expect(reader, bytes: 0)
        return Program(
            tensors: tensors, buffers: buffers, states: states, body: body, head: head, logits: logits,
            maximumRows: maximumRows, maximumOutputs: maximumOutputs, contextLength: contextLength,
            vocabularySize: vocabularySize, arenaBytes: arenaBytes)
    }

    /// Instructions that drafts can do without.
    static func skipped(_ bytes: UnsafeRawBufferPointer) throws(PlanError) -> [Int] {
        var reader = ByteReader(bytes, section: SectionKind.skipped.rawValue)
        var indices: [Int] = []
        while reader.remaining > 0 { indices.append(try reader.number32()) }
        return indices
    }

    static func tensors(_ bytes: UnsafeRawBufferPointer, limits: Limits) throws(PlanError) -> [Tensor] {
        var reader = ByteReader(bytes, section: SectionKind.tensors.rawValue)
        let tensorCount = try count(&reader, limit: limits.tensors)
        let nameBytes = try reader.number32()
        try reader.zeros(8)
        try expect(reader, bytes: tensorCount * tensorBytes + nameBytes)
        var tensors: [Tensor] = []
        tensors.reserveCapacity(tensorCount)
        var nameLengths: [Int] = []
        nameLengths.reserveCapacity(tensorCount)
        for index in 0..<tensorCount {
            let (tensor, nameLength) = try tensor(&reader, index: index)
            tensors.append(tensor)
            nameLengths.append(nameLength)
        }
        for index in 0..<tensorCount { tensors[index].name = [UInt8](try reader.slice(nameLengths[index])) }
        try expect(reader, bytes: 0)
        return tensors
    }

    private static func count(_ reader: inout ByteReader, limit: Int) throws(PlanError) -> Int {
        let place = reader.place
        let count = try reader.number32()
        guard count <= limit else {
            throw PlanError(
                .invalid, "a count is within its limit", at: place, expected: .range(0, limit), found: .number(count))
        }
        return count
    }

    private static func expect(_ reader: ByteReader, bytes: Int) throws(PlanError) {
        guard reader.remaining == bytes else {
            throw PlanError(
                .invalid, "the section has the size that its counts say", at: reader.place, expected: .number(bytes),
                found: .number(reader.remaining))
        }
    }

    private static func buffer(
        _ reader: inout ByteReader, index: Int
    ) throws(PlanError) -> (buffer: Buffer, nameLength: Int) {
        let elementNumber = try reader.unsigned32()
        guard let element = Buffer.Element(rawValue: elementNumber) else {
            throw PlanError(
                .unsupported, "the element kind is known", at: .buffer(index), found: .number(Int(elementNumber)))
        }
        let rowsNumber = try reader.unsigned32()
        guard let rows = Buffer.Rows(rawValue: rowsNumber) else {
            throw PlanError(
                .unsupported, "the kind of rows is known", at: .buffer(index), found: .number(Int(rowsNumber)))
        }
        let width = try reader.number64()
        let offset = try reader.number64()
        let nameLength = try reader.number32()
        try reader.zeros(4)
        return (Buffer(name: [], element: element, rows: rows, width: width, offset: offset), nameLength)
    }

    private static func state(_ reader: inout ByteReader, index: Int) throws(PlanError) -> MixerState {
        let kind = try reader.unsigned32()
        guard [keysAndValues, values, sums].contains(kind) else {
            throw PlanError(.unsupported, "the kind of state is known", at: .state(index), found: .number(Int(kind)))
        }
        let heads = try reader.number32()
        let dimensions = try reader.number32()
        let elementNumber = try reader.unsigned32()
        guard let element = CacheElement(rawValue: elementNumber) else {
            throw PlanError(
                .unsupported, "the element type of the cache is known", at: .state(index),
                found: .number(Int(elementNumber)))
        }
        guard kind == sums else {
            try reader.zeros(16)
            return kind == values
                ? .values(heads: heads, dimensions: dimensions, element: element)
                : .keysAndValues(heads: heads, dimensions: dimensions, element: element)
        }
        let features = try reader.number32()
        let weighed = try reader.unsigned32()
        guard weighed <= 1 else {
            throw PlanError(
                .invalid, "sums are weighed or not, 1 or 0", at: .state(index), expected: .range(0, 1),
                found: .number(Int(weighed)))
        }
        try reader.zeros(8)
        return .sums(
            heads: heads, dimensions: dimensions, element: element,
            FeatureSums(features: features, areWeighed: weighed == 1))
    }

    private static func tensor(
        _ reader: inout ByteReader, index: Int
    ) throws(PlanError) -> (tensor: Tensor, nameLength: Int) {
        let kind = try reader.unsigned32()
        let packingNumber = try reader.unsigned32()
        let rows = try reader.number64()
        let columns = try reader.number64()
        let offset = try reader.number64()
        let nameLength = try reader.number32()
        let group = try reader.number32()
        let layout: Tensor.Layout
        switch kind {
        case vector:
            guard packingNumber == 0, rows == 1 else {
                throw PlanError(.invalid, "a vector has packing 0 and one row", at: .tensor(index))
            }
            guard group == 0 else { throw withoutGroups(index, found: group) }
            layout = .vector(count: columns)
        case matrix:
            layout = .matrix(try packing(packingNumber, group: group, index: index), rows: rows, columns: columns)
        default:
            throw PlanError(
                .unsupported, "the layout of a tensor is known", at: .tensor(index), found: .number(Int(kind)))
        }
        return (Tensor(name: [], layout: layout, offset: offset), nameLength)
    }

    private static func packing(_ number: UInt32, group: Int, index: Int) throws(PlanError) -> Packing {
        if let codes = IntegerCodes(rawValue: number) {
            guard let group = GroupSize(rawValue: group) else {
                throw PlanError(
                    .invalid, "a group of an integer packing has 32, 64 or 128 columns", at: .tensor(index),
                    found: .number(group))
            }
            return .integer(codes, group: group)
        }
        let packing: Packing
        switch number {
        case Packing.float32.number: packing = .float32
        case Packing.float16.number: packing = .float16
        case Packing.bfloat16.number: packing = .bfloat16
        default:
            throw PlanError(.unsupported, "the packing is known", at: .tensor(index), found: .number(Int(number)))
        }
        guard group == 0 else { throw withoutGroups(index, found: group) }
        return packing
    }

    private static func withoutGroups(_ index: Int, found: Int) -> PlanError {
        PlanError(.invalid, "floats have no groups", at: .tensor(index), found: .number(found))
    }
}
