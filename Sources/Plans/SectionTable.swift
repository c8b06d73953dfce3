extension Header {
    /// Checks kinds, flags, order, alignment, places and sizes of all sections, and that the gaps between them are zero.
    func checkSections(_ file: UnsafeRawBufferPointer, limits: Limits) throws(PlanError) {
        var end = tableEnd
        var lastKind: UInt32 = 0
        for section in sections {
            let place = PlanError.Place.section(section.kind)
            guard section.kind > lastKind else {
                throw PlanError(
                    .invalid, "sections are sorted by kind, each kind once", at: place,
                    expected: .number(Int(lastKind) + 1), found: .number(Int(section.kind)))
            }
            lastKind = section.kind
            let alignment = try checkKind(of: section, limits: limits)
            let start = (end + alignment - 1) / alignment * alignment
            guard section.offset == start else {
                throw PlanError(
                    .invalid, "sections follow each other", at: place, expected: .number(start),
                    found: .number(section.offset))
            }
            // `end` never passes the end of the file, so the subtraction cannot overflow.
            guard start <= file.count, section.storedSize > 0, section.storedSize <= file.count - start else {
                throw PlanError(
                    .invalid, "a section lies inside the file", at: place, expected: .range(1, file.count - start),
                    found: .number(section.storedSize))
            }
            for offset in end..<start where file[offset] != 0 {
                throw PlanError(.invalid, "bytes between sections are zero", at: .offset(offset))
            }
            end = start + section.storedSize
        }
        guard end == file.count else {
            throw PlanError(
                .invalid, "the last section ends the file", at: .file, expected: .number(end),
                found: .number(file.count))
        }
        for kind in SectionKind.allCases where kind.isRequired && section(kind) == nil {
            throw PlanError(.invalid, "a required section is there", at: .section(kind.rawValue))
        }
    }

    func section(_ kind: SectionKind) -> Section? {
        for section in sections where section.kind == kind.rawValue { return section }
        return nil
    }

    /// Checks flags and sizes of one section; returns its alignment.
    private func checkKind(of section: Section, limits: Limits) throws(PlanError) -> Int {
        let place = PlanError.Place.section(section.kind)
        let known: Section.Flags = [.deflated, .ignorable]
        guard section.flags.isSubset(of: known) else {
            throw PlanError(
                .unsupported, "every section flag is known", at: place, found: .bits(UInt64(section.flags.rawValue)))
        }
        guard let kind = SectionKind(rawValue: section.kind) else {
            guard section.flags.contains(.ignorable) else {
                throw PlanError(
                    .unsupported, "the kind of a section is known", at: place, found: .number(Int(section.kind)))
            }
            try checkSize(of: section, limit: limits.coldBytes)
            return 64
        }
        let flags = kind.flags
        guard section.flags == flags else {
            throw PlanError(
                .invalid, "a section's flags are those of its kind", at: place, expected: .bits(UInt64(flags.rawValue)),
                found: .bits(UInt64(section.flags.rawValue)))
        }
        let limit: Int
        switch kind {
        case .weights: limit = limits.fileBytes
        case .program: limit = limits.programBytes
        case .tensors: limit = limits.tensorsBytes
        case .tokenizer: limit = limits.tokenizerBytes
        case .chatTemplate, .facts: limit = limits.coldBytes
        case .skipped: limit = 4 * limits.instructions
        }
        try checkSize(of: section, limit: limit)
        guard kind.isDeflated || section.rawSize == section.storedSize else {
            throw PlanError(
                .invalid, "a section that is not deflated has one size", at: place,
                expected: .number(section.storedSize), found: .number(section.rawSize))
        }
        // zlib's greatest ratio bounds what inflation allocates by what the file holds.
        guard section.rawSize / 1032 <= section.storedSize else {
            throw PlanError(
                .invalid, "a deflated section has a possible size", at: place, found: .number(section.rawSize))
        }
        return kind.alignment
    }

    /// Bounds what the checksums read and what inflation allocates.
    private func checkSize(of section: Section, limit: Int) throws(PlanError) {
        for size in [section.storedSize, section.rawSize] where size > limit {
            throw PlanError(
                .invalid, "a section is within its limit", at: .section(section.kind), expected: .number(limit),
                found: .number(size))
        }
    }
}
