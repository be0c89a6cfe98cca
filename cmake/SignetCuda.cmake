# SIGNET_CUDA=ON: nvcc, its flags, and the architectures it compiles for.
#
# Code for the architectures of today's cards, and PTX of the newest kind for those to come.

find_program(SIGNET_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin
             DOC "The CUDA compiler")
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX} AND NOT SIGNET_NVCC)
  message(FATAL_ERROR "SIGNET_CUDA=ON needs nvcc, which was found neither in PATH nor in /usr/local/cuda/bin: install "
          "the CUDA toolkit 12.8 or newer, or set CUDA_HOME to it; without a card, -DSIGNET_CUDA=SIMULATED runs the same "
          "kernels on the CPU, and -DSIGNET_CUDA=OFF leaves them out")
endif()
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  set(CMAKE_CUDA_COMPILER ${SIGNET_NVCC})
endif()
set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90a-real 100-real 100-virtual 120-real
    CACHE STRING "Compute capabilities to compile for, e.g. 90-real; \"native\" is this machine's card")
# Linked in, so that a machine with a driver needs no toolkit.
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
if(CCACHE)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)
  message(FATAL_ERROR "SIGNET_CUDA=ON needs nvcc 12.8 or newer, the first that knows sm_100 and sm_120; "
          "${CMAKE_CUDA_COMPILER} is ${CMAKE_CUDA_COMPILER_VERSION}: install a newer CUDA toolkit and set CUDA_HOME to it")
endif()
# The instructions of warpgroups (kernels/cuda/nvcc_wgmma.cuh) exist in code for sm_90a, which sm_90 runs and nothing
# else. Whoever asks for 90, or has such a card and asks for its own architecture, is given that.
if(CMAKE_CUDA_ARCHITECTURES STREQUAL "native" AND CMAKE_CUDA_ARCHITECTURES_NATIVE)
  set(CMAKE_CUDA_ARCHITECTURES ${CMAKE_CUDA_ARCHITECTURES_NATIVE})
endif()
list(TRANSFORM CMAKE_CUDA_ARCHITECTURES REPLACE "^90$" "90a-real;90-virtual")
list(TRANSFORM CMAKE_CUDA_ARCHITECTURES REPLACE "^90-real$" "90a-real")
if("90a-real" IN_LIST CMAKE_CUDA_ARCHITECTURES OR "90a" IN_LIST CMAKE_CUDA_ARCHITECTURES)
  target_compile_definitions(signet_flags INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:SIGNET_CUDA_SM_90A>)
endif()
list(TRANSFORM CMAKE_CUDA_ARCHITECTURES REPLACE "^100$" "100-real;100-virtual")
# Kernels tell none of 8.x apart, nor 10.0 and 12.0: their PTX is made once, for the first of them, and assembled for each.
# Making it is two thirds of nvcc's time.
set(SIGNET_CUDA_ARCHITECTURES ${CMAKE_CUDA_ARCHITECTURES})
set(SIGNET_CUDA_ASSEMBLED "")
function(signet_assemble_from ptx)
  foreach(architecture ${ARGN})
    if("${ptx}-real" IN_LIST CMAKE_CUDA_ARCHITECTURES AND "${architecture}-real" IN_LIST CMAKE_CUDA_ARCHITECTURES)
      list(REMOVE_ITEM CMAKE_CUDA_ARCHITECTURES ${architecture}-real)
      list(APPEND SIGNET_CUDA_ASSEMBLED --generate-code=arch=compute_${ptx},code=[sm_${architecture}])
    endif()
  endforeach()
  set(CMAKE_CUDA_ARCHITECTURES ${CMAKE_CUDA_ARCHITECTURES} PARENT_SCOPE)
  set(SIGNET_CUDA_ASSEMBLED ${SIGNET_CUDA_ASSEMBLED} PARENT_SCOPE)
endfunction()
signet_assemble_from(80 86 89)
signet_assemble_from(100 120)
# The instructions of tensor memory (kernels/cuda/nvcc_tcgen05.cuh) exist in code for sm_100a, which sm_100 runs and
# nothing else. Only convolutions multiply by them. To make PTX once more for all sources would take a sixth of nvcc's
# time; so sm_100 gets that of sm_100a for these (signet_cuda_sources), and for the others what sm_120 has.
set(SIGNET_CUDA_SOURCES_WITH_SM_100A "/cuda/conv2d(_backward_data|_backward_weight)?\\.cu$")
set(SIGNET_CUDA_SM_100_BY_SOURCE OFF)
if("100-real" IN_LIST CMAKE_CUDA_ARCHITECTURES)
  list(REMOVE_ITEM CMAKE_CUDA_ARCHITECTURES 100-real)
  set(SIGNET_CUDA_SM_100_BY_SOURCE ON)
  if(NOT CMAKE_CUDA_ARCHITECTURES)  # CMake wants one, and there is no PTX to share
    set(CMAKE_CUDA_ARCHITECTURES 100a-real)
    set(SIGNET_CUDA_SM_100_BY_SOURCE OFF)
  endif()
endif()
if(SIGNET_CUDA_SM_100_BY_SOURCE OR "100a-real" IN_LIST CMAKE_CUDA_ARCHITECTURES OR "100a" IN_LIST CMAKE_CUDA_ARCHITECTURES)
  target_compile_definitions(signet_flags INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:SIGNET_CUDA_SM_100A>)
endif()
if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc has C++20
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION --std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION --std=c++20)
endif()
set(CMAKE_CUDA_FLAGS_RELEASE "-O3")
set(CMAKE_CUDA_FLAGS_DEBUG "-O1 -g")

# As for C++ (cmake/SignetTargets.cmake), with nvcc's spelling. -Wpedantic is left out: the code that nvcc generates for
# the host does not pass it.
#
# --fmad=false: as -ffp-contract=off on the host, a fused multiply-add appears only where a kernel asks for one by fmaf.
# So image_warp, random numbers, dropout and optimisers give the bits that the CPU gives, and kernels/simt the bits that
# a card gives. The products, where the fused operation is half of the time, ask for it. Division and square root round
# correctly and denormals are kept, by nvcc's default.
#
# -lineinfo costs nothing at run time and lets profilers and compute-sanitizer name lines.
set(SIGNET_CUDA_OPTIONS
    ${SIGNET_CUDA_ASSEMBLED} --Werror=all-warnings --fmad=false -lineinfo
    -Xcompiler=-Wall,-Wextra,-Wshadow,-Werror,-ffp-contract=off)
target_compile_options(signet_flags INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:${SIGNET_CUDA_OPTIONS}>")

# signet_cuda_sources(TARGET GLOB...): adds the files to the library TARGET; nvcc compiles those named .cu.
function(signet_cuda_sources target)
  file(GLOB sources CONFIGURE_DEPENDS ${ARGN})
  target_sources(${target} PRIVATE ${sources})
  foreach(source ${sources})
    if(NOT SIGNET_CUDA_SM_100_BY_SOURCE OR NOT source MATCHES "\\.cu$")
      continue()
    elseif(source MATCHES "${SIGNET_CUDA_SOURCES_WITH_SM_100A}")
      set(code arch=compute_100a,code=[sm_100a])
    else()
      set(code arch=compute_100,code=[sm_100])
    endif()
    set_property(SOURCE ${source} APPEND PROPERTY COMPILE_OPTIONS --generate-code=${code})
  endforeach()
  set_target_properties(${target} PROPERTIES CUDA_SEPARABLE_COMPILATION OFF)
endfunction()
