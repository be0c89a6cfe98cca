# How every folder of Signet becomes a target: one static library a folder, one flag set for all.

include(GNUInstallDirs)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O3")
# A sanitizer's report needs lines only, and variables for gdb take a quarter of the time to compile.
if(SIGNET_SANITIZE)
  set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -fno-omit-frame-pointer")
else()
  set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g -fno-omit-frame-pointer")
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(signet_flags INTERFACE)
target_include_directories(signet_flags INTERFACE ${CMAKE_SOURCE_DIR})
# -ffp-contract=off: a fused multiply-add appears only where a kernel asks for one, so that the bits do not
# depend on what the compiler happened to contract.
# Flags of the host's compiler; cmake/SignetCuda.cmake has nvcc's.
target_compile_options(signet_flags INTERFACE
                       "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Werror;-ffp-contract=off>")
# g++ 12 sees an overflow in fmt's inlined formatting of integers that cannot happen.
target_compile_options(signet_flags INTERFACE
                       $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-stringop-overflow>)
target_compile_definitions(signet_flags INTERFACE SIGNET_VERSION="${PROJECT_VERSION}")
if(SIGNET_SANITIZE)
  target_compile_options(signet_flags INTERFACE
                         "$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${SIGNET_SANITIZE};-fno-sanitize-recover=all>")
  # Checks that take a sixth of the time to compile: the address sanitizer stops at null pointers and beyond objects
  # anyway, and no class is cast down to one that it may not be.
  target_compile_options(signet_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=null,object-size,vptr>")
  target_link_options(signet_flags INTERFACE -fsanitize=${SIGNET_SANITIZE})
endif()

# signet_library(NAME [SOURCES ...] [DEPENDS ...]): the static library signet_NAME of the .cpp files of the
# current folder (and of the SOURCES globs), which may use DEPENDS.
function(signet_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  if(NOT ARG_SOURCES)
    set(ARG_SOURCES *.cpp)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${ARG_SOURCES})
  add_library(signet_${name} STATIC ${sources})
  set_target_properties(signet_${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(signet_${name} PUBLIC $<BUILD_INTERFACE:signet_flags> ${ARG_DEPENDS})
  # As installed (cmake/SignetInstall.cmake): the headers without this repository's warnings.
  set_target_properties(signet_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(signet_${name} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/signet>)
  target_compile_features(signet_${name} INTERFACE $<INSTALL_INTERFACE:cxx_std_20>)
  add_library(Signet::${name} ALIAS signet_${name})
  set_property(GLOBAL APPEND PROPERTY SIGNET_LIBRARIES signet_${name})
endfunction()

# signet_test(FOLDER [DEPENDS ...] [LABELS ...] [LONG CASES]): the doctest binary test_FOLDER of tests/FOLDER/*.cpp.
# Labels say in which further builds it runs: "sanitized" (address, undefined). LONG as in signet_ctest.
function(signet_test folder)
  cmake_parse_arguments(ARG "" "LONG" "DEPENDS;LABELS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
  add_executable(test_${folder} ${sources})
  target_link_libraries(test_${folder} PRIVATE signet_test_support ${ARG_DEPENDS})
  signet_ctest(${folder} LABELS ${ARG_LABELS} LONG "${ARG_LONG}")
endfunction()

# signet_ctest(NAME [LABELS ...] [LONG CASES]): the doctest binary test_NAME as the ctest test NAME, and its cases CASES,
# where there are any, as another, NAME_long: where several tests run at once they share the time.
function(signet_ctest name)
  cmake_parse_arguments(ARG "" "LONG" "LABELS" ${ARGN})
  set(tests ${name})
  if(ARG_LONG)
    add_test(NAME ${name} COMMAND test_${name} "--test-case-exclude=${ARG_LONG}")
    add_test(NAME ${name}_long COMMAND test_${name} "--test-case=${ARG_LONG}")
    # These begin first.
    set_tests_properties(${name}_long PROPERTIES COST 1000)
    set_tests_properties(${name} PROPERTIES COST 500)
    list(APPEND tests ${name}_long)
  else()
    add_test(NAME ${name} COMMAND test_${name})
  endif()
  set_tests_properties(${tests} PROPERTIES SKIP_RETURN_CODE 77 LABELS "${ARG_LABELS}")
endfunction()
