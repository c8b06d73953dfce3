import Kernels
import Testing

struct DispatchTests {
    @Test func `scalar kernels are always there and the best instruction set is available`() {
        #expect(lathe_kernels_for(LATHE_ISA_SCALAR) != nil)
        #expect(lathe_kernels_for(lathe_best_isa())?.pointee.isa == lathe_best_isa())
    }
}
