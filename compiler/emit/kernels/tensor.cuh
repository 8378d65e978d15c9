/* Tensor-core primitives: what the PTX ISA has and plain CUDA C has not, one instruction a
 * function.
 *
 * Fragments hold fp16 as two to a register. Shared memory is addressed by 32-bit offsets of the
 * shared window (shared_address).
 *
 * Fragments of mma.m16n8k16, g = lane / 4, t = lane % 4 (PTX ISA, "Matrix fragments for
 * mma.m16n8k16 with floating point type"); two numbers a cell:
 *
 *     A 16 x 16    k 2t, 2t+1   k 8+2t, +1       B 16 x 8      n = g      C 16 x 8   n 2t, 2t+1
 *        m = g        a[0]         a[2]        k 2t, 2t+1       b[0]       m = g      c[0] c[1]
 *        m = g + 8    a[1]         a[3]        k 8+2t, +1       b[1]       m = g + 8  c[2] c[3]
 *
 * ldmatrix gives exactly these from rows of 8 numbers (16 bytes) whose addresses the lanes supply:
 * lanes 8i .. 8i+7 the rows of matrix i, which goes to register i. With .trans a row is a column.
 */
#ifndef SNUG_TENSOR_CUH
#define SNUG_TENSOR_CUH

#include "prims.cuh"

DEVICE unsigned shared_address(const void *pointer)
{
    unsigned address;
    asm("{ .reg .u64 a; cvta.to.shared.u64 a, %1; cvt.u32.u64 %0, a; }"
        : "=r"(address) : "l"(pointer));
    return address;
}

DEVICE void load_matrices(unsigned (&r)[4], unsigned row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row) : "memory");
}

DEVICE void load_matrices_transposed(unsigned (&r)[4], unsigned row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row) : "memory");
}

/* c += a b, fp32 accumulation. */
DEVICE void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* 16 bytes from global to shared memory, past the registers; visible to this thread after the wait
 * for its group, to others after a barrier behind that. */
DEVICE void copy_async(unsigned to, const void *from)
{
    asm volatile("{ .reg .u64 a; cvta.to.global.u64 a, %1; "
                 "cp.async.cg.shared.global [%0], [a], 16; }" :: "r"(to), "l"(from) : "memory");
}

DEVICE void copy_commit(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Until at most `pending` of this thread's newest groups are still under way. */
template <int pending>
DEVICE void copy_wait(void)
{
    asm volatile("cp.async.wait_group %0;" :: "n"(pending) : "memory");
}

DEVICE void barrier(void)
{
    asm volatile("bar.sync 0;" ::: "memory");
}

DEVICE uint4 load_shared(unsigned address)
{
    uint4 v;
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "r"(address) : "memory");
    return v;
}

DEVICE void store_shared(unsigned address, uint4 v)
{
    asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};"
                 :: "r"(address), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
}

DEVICE float load_shared_float(unsigned address)
{
    float v;
    asm volatile("ld.shared.f32 %0, [%1];" : "=f"(v) : "r"(address) : "memory");
    return v;
}

DEVICE void store_shared_float(unsigned address, float v)
{
    asm volatile("st.shared.f32 [%0], %1;" :: "r"(address), "f"(v) : "memory");
}

DEVICE float exchange(float v, int lane_mask)
{
    return __shfl_xor_sync(0xffffffffu, v, lane_mask);
}

#endif
