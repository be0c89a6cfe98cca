# `./dev gpu` where no card answers must say so in one sentence and exit with status 2, before it does anything else.
# An nvidia-smi that lists nothing stands in front of the real one.
file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/no-card)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/no-card/nvidia-smi "#!/bin/sh\nexit 9\n")
file(CHMOD ${CMAKE_CURRENT_BINARY_DIR}/no-card/nvidia-smi PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
set(ENV{PATH} "${CMAKE_CURRENT_BINARY_DIR}/no-card:$ENV{PATH}")
execute_process(COMMAND bash ${SOURCE_DIR}/dev gpu RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
string(REGEX MATCHALL "\n" lines "${out}${err}")
list(LENGTH lines count)
if(NOT status EQUAL 2 OR NOT count EQUAL 1 OR NOT err MATCHES "^dev gpu: no CUDA card answers")
  message(FATAL_ERROR "./dev gpu without a card: exit status ${status}, output:\n${out}${err}")
endif()
