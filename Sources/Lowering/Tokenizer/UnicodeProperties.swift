/// Character properties as the tokenizers that models were trained with have them (formats/tokenizer.md, "Unicode").
///
/// `tokenizers` takes the properties in patterns from Oniguruma's tables of Unicode 16 and numeric characters from
/// Unicode 17. The standard library may be newer: characters younger than those versions count as unassigned.
enum UnicodeProperties {
    /// Unicode version of the properties in patterns.
    static let patternVersion = Unicode.Version(major: 16, minor: 0)
    /// Unicode version of what the digits step calls numeric.
    static let numericVersion = Unicode.Version(major: 17, minor: 0)
    /// Unicode version of canonical composition.
    static let compositionVersion = Unicode.Version(major: 9, minor: 0)

    /// Whether a scalar was assigned in a version.
    static func isAssigned(_ properties: Unicode.Scalar.Properties, in version: Unicode.Version) -> Bool {
        guard let age = properties.age else { return false }
        return age.major < version.major || (age.major == version.major && age.minor <= version.minor)
    }

    /// The two-letter names of the general categories, in the order of `categories`' values.
    static let categoryNames = [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
        "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
    ]

    /// Index into `categoryNames` for every scalar value.
    private static let categories: [UInt8] = (0..<ScalarSet.limit).map { value in
        guard let scalar = Unicode.Scalar(value) else { return index(of: .surrogate) }
        // A letter by Unicode 16, which later became one without case.
        if value == 0x295 { return index(of: .lowercaseLetter) }
        let properties = scalar.properties
        let category = properties.generalCategory
        // Whole planes of these need no look at their age.
        if category == .unassigned || category == .privateUse { return index(of: category) }
        return index(of: isAssigned(properties, in: patternVersion) ? category : .unassigned)
    }

    /// The scalars of each category.
    private static let categorySets: [ScalarSet] = {
        var ranges = [[Range<UInt32>]](repeating: [], count: categoryNames.count)
        categories.withUnsafeBufferPointer { table in
            var start = 0
            for value in 1...table.count where value == table.count || table[value] != table[start] {
                ranges[Int(table[start])].append(UInt32(start)..<UInt32(value))
                start = value
            }
        }
        return ranges.map { ScalarSet(unsorted: $0) }
    }()

    /// The scalars of a general category named by one letter or two, as in `\p{Lu}`; nil for another name.
    static func category(_ name: String) -> ScalarSet? {
        let wanted = name.lowercased()
        guard (1...2).contains(wanted.utf8.count) else { return nil }
        let matching = categoryNames.indices.filter { categoryNames[$0].lowercased().hasPrefix(wanted) }
        guard !matching.isEmpty else { return nil }
        return ScalarSet(unsorted: matching.flatMap { categorySets[$0].ranges })
    }

    /// `\s`: White_Space.
    static let whitespace = ScalarSet(unsorted: [
        0x09..<0x0E, 0x20..<0x21, 0x85..<0x86, 0xA0..<0xA1, 0x1680..<0x1681, 0x2000..<0x200B, 0x2028..<0x202A,
        0x202F..<0x2030, 0x205F..<0x2060, 0x3000..<0x3001,
    ])

    /// `\w` of patterns outside of brackets: superscript digits and fractions of Latin-1 are counted in.
    static let patternWord = wordCharacters.union(
        ScalarSet(unsorted: [0xB2..<0xB4, 0xB9..<0xBA, 0xBC..<0xBF]))

    /// `\w` around added tokens that must stand alone: the joiners are counted in.
    static let tokenWord = wordCharacters.union(ScalarSet(0x200C...0x200D))

    /// Letters, marks, decimal digits and connectors: `\w` inside of brackets.
    static let wordCharacters: ScalarSet = {
        let marks = Set(["Mn", "Mc", "Me", "Nd", "Pc"].compactMap { name in categoryNames.firstIndex(of: name) })
        return ScalarSet { value in
            if marks.contains(Int(categories[Int(value)])) { return true }
            guard let scalar = Unicode.Scalar(value), scalar.properties.isAlphabetic else { return false }
            return isAssigned(scalar.properties, in: patternVersion)
        }
    }()

    /// What the digits step looks for: categories Nd, Nl and No.
    static let numeric = ScalarSet { value in
        guard let properties = Unicode.Scalar(value)?.properties else { return false }
        return switch properties.generalCategory {
        case .decimalNumber, .letterNumber, .otherNumber: isAssigned(properties, in: numericVersion)
        default: false
        }
    }

    private static func index(of category: Unicode.GeneralCategory) -> UInt8 {
        switch category {
        case .uppercaseLetter: 0
        case .lowercaseLetter: 1
        case .titlecaseLetter: 2
        case .modifierLetter: 3
        case .otherLetter: 4
        case .nonspacingMark: 5
        case .spacingMark: 6
        case .enclosingMark: 7
        case .decimalNumber: 8
        case .letterNumber: 9
        case .otherNumber: 10
        case .connectorPunctuation: 11
        case .dashPunctuation: 12
        case .openPunctuation: 13
        case .closePunctuation: 14
        case .initialPunctuation: 15
        case .finalPunctuation: 16
        case .otherPunctuation: 17
        case .mathSymbol: 18
        case .currencySymbol: 19
        case .modifierSymbol: 20
        case .otherSymbol: 21
        case .spaceSeparator: 22
        case .lineSeparator: 23
        case .paragraphSeparator: 24
        case .control: 25
        case .format: 26
        case .surrogate: 27
        case .privateUse: 28
        case .unassigned: 29
        @unknown default: 29
        }
    }
}
