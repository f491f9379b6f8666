#pragma once
// Several stacks for one thread.

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulator {

#if defined(__x86_64__)
// Where a stack was left. swapcontext() would ask the kernel each time, which takes ten times as long.
struct stack_context
{
    void* top = nullptr;
};

extern "C" void weightscope_emulator_switch(void** from, void* to);
asm(R"(
.pushsection .text
.weak weightscope_emulator_switch
.type weightscope_emulator_switch, @function
weightscope_emulator_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size weightscope_emulator_switch, .-weightscope_emulator_switch
.popsection
)");

inline void switch_context(stack_context& from, stack_context& to)
{
    weightscope_emulator_switch(&from.top, to.top);
}

inline void make_context(stack_context& context, std::byte* stack, std::size_t bytes, void (*entry)())
{
    auto** top = reinterpret_cast<void**>(stack + bytes);
    *--top = nullptr;  // what `entry` would return to; with it the stack is aligned as a call leaves it
    *--top = reinterpret_cast<void*>(entry);
    for (int saved = 0; saved < 6; ++saved)
        *--top = nullptr;
    context.top = top;
}
#else
struct stack_context
{
    ucontext_t context = {};
};

inline void switch_context(stack_context& from, stack_context& to)
{
    swapcontext(&from.context, &to.context);
}

inline void make_context(stack_context& context, std::byte* stack, std::size_t bytes, void (*entry)())
{
    getcontext(&context.context);
    context.context.uc_stack.ss_sp = stack;
    context.context.uc_stack.ss_size = bytes;
    context.context.uc_link = nullptr;
    makecontext(&context.context, entry, 0);
}
#endif

// AddressSanitizer wants to know of each switch.
inline void before_switch([[maybe_unused]] void** fake_stack, [[maybe_unused]] const void* bottom, [[maybe_unused]] std::size_t size)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(fake_stack, bottom, size);
#endif
}

inline void after_switch([[maybe_unused]] void* fake_stack, [[maybe_unused]] const void** bottom, [[maybe_unused]] std::size_t* size)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack, bottom, size);
#endif
}

}  // namespace emulator
