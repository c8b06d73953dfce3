/// Why a plan was refused or could not be written.
public struct PlanError: Error, Sendable {
    /// What kind of failure it is; the raw value is the exit code of the command line.
    public enum Category: Int32, Sendable {
        /// The system gave no memory or failed to read.
        case runtime = 1
        /// The file contradicts the format.
        case invalid = 65
        /// The file cannot be opened.
        case missing = 66
        /// The file asks for something that this version does not have.
        case unsupported = 69
        /// The plan cannot be written.
        case cannotWrite = 73
    }

    /// Where in the plan the failure was found.
    public enum Place: Sendable, Equatable {
        case file
        /// Bytes from the start of the file.
        case offset(Int)
        /// Kind number of a section.
        case section(UInt32)
        /// Bytes from the start of a section of that kind.
        case sectionOffset(UInt32, Int)
        case program
        case tensor(Int)
        case buffer(Int)
        case state(Int)
        /// Index of an instruction of the body.
        case body(Int)
        /// Index of an instruction of the head.
        case head(Int)
    }

    /// What was expected or found there.
    public enum Value: Sendable, Equatable {
        case none
        case number(Int)
        /// A bit pattern, written in hexadecimal.
        case bits(UInt64)
        case range(Int, Int)
        case text([UInt8])
        /// An `errno` of the system.
        case system(Int32)
    }

    public var category: Category
    /// The rule that was broken, a phrase that is stable between releases.
    public var rule: StaticString
    public var place: Place
    public var expected: Value
    public var found: Value
    /// The file, where there is one.
    public var path: [UInt8]

    public init(
        _ category: Category, _ rule: StaticString, at place: Place, expected: Value = .none, found: Value = .none,
        path: [UInt8] = []
    ) {
        self.category = category
        self.rule = rule
        self.place = place
        self.expected = expected
        self.found = found
        self.path = path
    }

    /// The exit code of a command that ends with this error.
    public var exitCode: Int32 { category.rawValue }

    /// The same error with the file that it is about.
    func of(path: [UInt8]) -> PlanError {
        var error = self
        if error.path.isEmpty { error.path = path }
        return error
    }
}
