import ArgumentParser
import Checkpoints
import Compiler
import Foundation
import Lowering
import Plans
import Runtime
import Tokenization

/// The one way that a verb fails: a line of cause and a line of remedy on stderr, and the exit code.
struct Failure: Error {
    let cause: String
    let remedy: String
    let exitCode: Int32

    init(cause: String, remedy: String, exitCode: Int32) {
        self.cause = cause
        self.remedy = remedy
        self.exitCode = exitCode
    }

    init(_ error: PlanError) {
        self.init(
            cause: String(decoding: error.cause, as: UTF8.self), remedy: String(decoding: error.remedy, as: UTF8.self),
            exitCode: error.exitCode)
    }

    init(_ error: RuntimeError) {
        self.init(cause: "\(error.cause)", remedy: "\(error.remedy)", exitCode: error.exitCode)
    }

    init(_ error: TokenizerError) {
        self.init(
            cause: String(decoding: error.cause, as: UTF8.self), remedy: "\(error.remedy)", exitCode: error.exitCode)
    }

    init(_ error: CompileError) {
        self.init(cause: error.cause, remedy: error.remedy, exitCode: error.exitCode)
    }

    init(_ error: CheckpointError) {
        self.init(cause: error.cause, remedy: error.remedy, exitCode: error.exitCode)
    }

    init(_ error: TokenizerLoweringError) {
        self.init(cause: error.cause, remedy: error.remedy, exitCode: error.exitCode)
    }
}

/// Runs a verb's body and turns what it throws into two lines and an exit code.
func reportingFailures(_ body: () throws -> Void) throws {
    let failure: Failure
    do {
        return try body()
    } catch let error as Failure {
        failure = error
    } catch let error as PlanError {
        failure = Failure(error)
    } catch let error as RuntimeError {
        failure = Failure(error)
    } catch let error as TokenizerError {
        failure = Failure(error)
    } catch let error as CompileError {
        failure = Failure(error)
    } catch let error as CheckpointError {
        failure = Failure(error)
    } catch let error as TokenizerLoweringError {
        failure = Failure(error)
    }
    // Names out of files and arguments may hold anything, but never make a line of their own.
    Terminal.error("lathe: \(oneLine(failure.cause, limit: 2000))")
    Terminal.error("lathe: \(oneLine(failure.remedy, limit: 2000))")
    throw ExitCode(failure.exitCode)
}
