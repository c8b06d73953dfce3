import Kernels

/// The exponential that the kernels use: the same bits on every machine, unlike the C library's.
public func portableExponential(_ x: Float) -> Float { lathe_exp(x) }
