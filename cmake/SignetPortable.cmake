# SIGNET_PORTABLE=ON: a program that needs nothing but the C library.
#
# Debian has no static libraries of fmt, Highway and cpp-httplib. `./dev package` gets their source packages and unpacks
# them into SIGNET_PORTABLE_SOURCES. The server speaks plain HTTP, so cpp-httplib is used without OpenSSL, zlib and Brotli.

set(SIGNET_PORTABLE_SOURCES ${CMAKE_BINARY_DIR}/sources CACHE PATH "Folder of the unpacked source packages")
file(GLOB fmt ${SIGNET_PORTABLE_SOURCES}/fmtlib-*/src/format.cc ${SIGNET_PORTABLE_SOURCES}/fmtlib-*/src/os.cc)
file(GLOB highway ${SIGNET_PORTABLE_SOURCES}/highway-*/hwy/targets.cc)
file(GLOB httplib ${SIGNET_PORTABLE_SOURCES}/*cpp-httplib*/httplib.h)
if(NOT fmt OR NOT highway OR NOT httplib)
  message(FATAL_ERROR "SIGNET_PORTABLE=ON needs the sources of fmt, Highway and cpp-httplib, and ${SIGNET_PORTABLE_SOURCES} "
          "lacks them: run `./dev package`, which gets them, or set SIGNET_PORTABLE_SOURCES")
endif()

# targets.cc finds out what the processor has; all else that is used of Highway is in its headers.
add_library(signet_hwy STATIC ${highway})
cmake_path(GET highway PARENT_PATH highway)
target_include_directories(signet_hwy SYSTEM PUBLIC ${highway}/..)
add_library(signet_httplib INTERFACE)
cmake_path(GET httplib PARENT_PATH httplib)
target_include_directories(signet_httplib SYSTEM INTERFACE ${httplib})
target_link_libraries(signet_httplib INTERFACE Threads::Threads)

# With the headers that are installed, as in every other build.
add_library(signet_fmt STATIC ${fmt})
target_compile_definitions(signet_fmt PUBLIC FMT_SHARED)
set(SIGNET_FMT signet_fmt)
add_link_options(-static-libstdc++ -static-libgcc $<$<CONFIG:Release>:-s>)
