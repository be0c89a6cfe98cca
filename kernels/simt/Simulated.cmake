# SIGNET_CUDA=SIMULATED: the sources of kernels/cuda and kernels/ladder, compiled by the host compiler against
# kernels/simt/simt.h. Included by kernels/CMakeLists.txt.
#
# Every kernel is built twice, and a program may link both:
#   signet::cuda::          plain: fast enough to train with
#   signet::cuda_checked::  with -fsanitize=thread, whose runtime is not linked: kernels/simt/check.cpp defines
#                           the hooks (__tsan_read4 and so on) that the compiler then calls at each load and store
# The sources do not know: the second time, the macro `cuda` gives the namespace another name.

if(SIGNET_SANITIZE MATCHES "thread")
  message(FATAL_ERROR "SIGNET_CUDA=SIMULATED has its own use for the hooks of -fsanitize=thread; set SIGNET_CUDA=OFF")
endif()
file(GLOB simt_sources CONFIGURE_DEPENDS simt/*.cpp)
list(FILTER simt_sources EXCLUDE REGEX profile.cpp)
target_sources(signet_kernels PRIVATE ${simt_sources})

file(GLOB cuda_sources CONFIGURE_DEPENDS cuda/*.cu ladder/*.cu ladder/*.cpp)
set_source_files_properties(${cuda_sources} PROPERTIES LANGUAGE CXX)

# Products and sums are fused where a kernel says fmaf and nowhere else (-ffp-contract=off, like all of Signet):
# results then do not depend on how the compiler arranges a kernel, plain and checked kernels agree to the bit,
# and -O3 changes nothing but the time. With the processor's own instruction fmaf is as fast as a product;
# without it, it is a call of the C library, with the same result.
include(CheckCXXSourceRuns)
set(CMAKE_REQUIRED_FLAGS "-mavx2 -mfma")
check_cxx_source_runs("int main() { return __builtin_cpu_supports(\"avx2\") && __builtin_cpu_supports(\"fma\") ? 0 : 1; }"
                      SIGNET_PROCESSOR_HAS_FMA)
unset(CMAKE_REQUIRED_FLAGS)

# simulated_kernels(TARGET SOURCES... ): an object library of .cu files.
function(simulated_kernels target)
  add_library(${target} OBJECT EXCLUDE_FROM_ALL ${ARGN})
  target_link_libraries(${target} PRIVATE signet_flags)
  # #pragma unroll is nvcc's. The other two warnings misjudge what kernels do on purpose: name the members that one of
  # several modes needs, and keep registers that only some modes fill. -g1: line numbers, for reports; a
  # debug build has all that gdb can show instead, and kernels to step through.
  target_compile_options(${target} PRIVATE -Wno-unknown-pragmas -Wno-missing-field-initializers
                                           -Wno-maybe-uninitialized
                                           $<IF:$<CONFIG:Debug>,-O0,-g1>
                                           $<$<BOOL:${SIGNET_PROCESSOR_HAS_FMA}>:-mavx2$<SEMICOLON>-mfma>)
endfunction()

# The same, checked. -fsanitize=alignment watches what the pointers of vector accesses promise. Vectorising would turn
# several accesses of a thread into one that the source does not have, and taking structs apart (SRA) one into several.
# A hook that is called last in a function must still return there: by that address it names the line.
function(checked_kernels target)
  simulated_kernels(${target} ${ARGN})
  target_compile_options(${target} PRIVATE -fsanitize=thread -fsanitize=alignment -fno-tree-vectorize -fno-tree-sra
                                           -fno-optimize-sibling-calls
                                           "SHELL:--param tsan-instrument-func-entry-exit=0")
endfunction()

simulated_kernels(signet_kernels_plain ${cuda_sources})
target_sources(signet_kernels PRIVATE $<TARGET_OBJECTS:signet_kernels_plain>)

# A library of its own, for the two that use it: the tests of tests/simt, and the verb profile-kernel.
checked_kernels(signet_kernels_checked ${cuda_sources})
target_compile_definitions(signet_kernels_checked PRIVATE cuda=cuda_checked)
set_source_files_properties(simt/profile.cpp PROPERTIES COMPILE_DEFINITIONS cuda=cuda_checked)
add_library(signet_checked STATIC simt/profile.cpp $<TARGET_OBJECTS:signet_kernels_checked>)
target_link_libraries(signet_checked PUBLIC signet_kernels)
message(NOTICE "Signet: --device cuda is SIMULATED on the CPU: right, and slow")
