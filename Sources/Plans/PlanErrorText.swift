import CSystem

extension PlanError {
    /// One line of UTF-8 that says what is wrong and where.
    public var cause: [UInt8] {
        var text: [UInt8] = []
        if !path.isEmpty {
            text += path.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "?") : $0 }
            text.append(": ")
        }
        place.append(to: &text)
        text.append(rule)
        if expected != .none {
            text.append(": expected ")
            expected.append(to: &text)
        }
        if found != .none {
            text.append(expected == .none ? ": " : ", found ")
            found.append(to: &text)
        }
        return text
    }

    /// One line of UTF-8 that says what to do about it.
    public var remedy: [UInt8] {
        var text: [UInt8] = []
        switch category {
        case .runtime: text.append("free some memory, or raise the limit that the cause names")
        case .invalid: text.append("the plan is damaged or was not made by lathe; compile it again")
        case .missing: text.append("check the path, and that the file may be read")
        case .unsupported: text.append("use the version of lathe that made this plan, or compile it again")
        case .cannotWrite: text.append("choose another output path, or make room or give permission there")
        }
        return text
    }
}

extension PlanError.Place {
    func append(to text: inout [UInt8]) {
        switch self {
        case .file: return
        case .offset(let offset): text.append("byte ", offset)
        case .section(let kind):
            text.append("section ", Int(kind))
        case .sectionOffset(let kind, let offset):
            text.append("section ", Int(kind))
            text.append(", byte ", offset)
        case .program: text.append("program")
        case .tensor(let index): text.append("tensor ", index)
        case .buffer(let index): text.append("buffer ", index)
        case .state(let index): text.append("state ", index)
        case .body(let index): text.append("body instruction ", index)
        case .head(let index): text.append("head instruction ", index)
        }
        text.append(": ")
    }
}

extension PlanError.Value {
    func append(to text: inout [UInt8]) {
        switch self {
        case .none: return
        case .number(let number): text.append("", number)
        case .bits(let bits): text.append(hexadecimal: bits, digits: 16)
        case .range(let low, let high):
            text.append("", low)
            text.append(" to ", high)
        case .text(let bytes): text += bytes
        case .system(let code):
            guard let message = strerror(code) else { return text.append("errno ", Int(code)) }
            text += UnsafeRawBufferPointer(start: message, count: strlen(message))
        }
    }
}

extension [UInt8] {
    mutating func append(_ text: StaticString) {
        self += UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    /// Appends the text and a decimal number.
    mutating func append(_ text: StaticString, _ number: Int) {
        append(text)
        var digits: [UInt8] = []
        var rest = number.magnitude
        repeat {
            digits.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        if number < 0 { append(UInt8(ascii: "-")) }
        self += digits.reversed()
    }

    /// Appends the lowest `digits` hexadecimal digits, the highest first.
    mutating func append(hexadecimal bits: UInt64, digits: Int) {
        for digit in (0..<digits).reversed() {
            let value = UInt8(truncatingIfNeeded: (bits >> (UInt64(digit) * 4)) & 15)
            append(value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10)
        }
    }
}
