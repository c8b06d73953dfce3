import CSystem
import Runtime

/// What the command line of the minimal runner says.
struct RunnerArguments {
    let plan: UnsafePointer<CChar>
    let prompt: [UInt8]
    var count = 128
    var contextLength: Int?
    var threads: Int?
    var instructionSet: InstructionSet?
    /// Whether to report a digest of all logits.
    var digestsLogits = false

    /// Nil where the arguments are not of the runner's form.
    init?(count argumentCount: Int, values: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) {
        var plan: UnsafePointer<CChar>?
        var prompt: [UInt8]?
        var index = 1
        while index < argumentCount, let argument = values[index] {
            let name = RunnerArguments.bytes(argument)
            index += 1
            guard name.first == UInt8(ascii: "-") else {
                guard plan == nil else { return nil }
                plan = UnsafePointer(argument)
                continue
            }
            if RunnerArguments.matches(name, "--digest") {
                digestsLogits = true
                continue
            }
            guard index < argumentCount, let value = values[index] else { return nil }
            let text = RunnerArguments.bytes(value)
            index += 1
            if RunnerArguments.matches(name, "-p", "--prompt") {
                prompt = text
            } else if RunnerArguments.matches(name, "-n", "--n-predict") {
                guard let number = RunnerArguments.number(text) else { return nil }
                count = number
            } else if RunnerArguments.matches(name, "-c", "--ctx-size") {
                guard let number = RunnerArguments.number(text), number > 0 else { return nil }
                contextLength = number
            } else if RunnerArguments.matches(name, "-t", "--threads") {
                guard let number = RunnerArguments.number(text), number > 0 else { return nil }
                threads = number
            } else if RunnerArguments.matches(name, "--isa") {
                var found: InstructionSet?
                for candidate in InstructionSet.allCases
                where RunnerArguments.matches(text, candidate.name) { found = candidate }
                guard let found else { return nil }
                instructionSet = found
            } else {
                return nil
            }
        }
        guard let plan, let prompt else { return nil }
        self.plan = plan
        self.prompt = prompt
    }

    private static func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
        var bytes: [UInt8] = []
        var index = 0
        while text[index] != 0 {
            bytes.append(UInt8(bitPattern: text[index]))
            index += 1
        }
        return bytes
    }

    private static func matches(_ text: [UInt8], _ names: StaticString...) -> Bool {
        for name in names where Output.bytes(name) == text { return true }
        return false
    }

    private static func number(_ text: [UInt8]) -> Int? {
        guard !text.isEmpty, text.count <= 9 else { return nil }
        var number = 0
        for digit in text {
            guard digit >= 48, digit <= 57 else { return nil }
            number = number * 10 + Int(digit - 48)
        }
        return number
    }
}
