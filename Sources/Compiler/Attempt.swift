/// Runs `body` and wraps its error.
func attempt<Value: ~Copyable, Failure: Error>(
    _ wrap: (Failure) -> CompileError, _ body: () throws(Failure) -> Value
) throws(CompileError) -> Value {
    do {
        return try body()
    } catch {
        throw wrap(error)
    }
}
