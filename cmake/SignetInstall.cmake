# What `cmake --install` installs, and the packages that `cpack` makes of it.
#
# Components: `program` (the program, its manual page and completions) and `development` (the libraries, whose headers
# are included as in this repository: #include "tensor/error.h", found below include/signet by Signet's targets).

include(CMakePackageConfigHelpers)

install(TARGETS signet RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
if(NOT SIGNET_SANITIZE)
  install(DIRECTORY ${CMAKE_BINARY_DIR}/share/ DESTINATION ${CMAKE_INSTALL_DATADIR} COMPONENT program)
endif()

# A library with CUDA kernels would ask its users for nvcc's run-time libraries, and is not installed.
if(SIGNET_CUDA STREQUAL "OFF" AND NOT SIGNET_PORTABLE)
  set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Signet)
  get_property(libraries GLOBAL PROPERTY SIGNET_LIBRARIES)
  install(TARGETS ${libraries} signet_all EXPORT SignetTargets
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
  install(EXPORT SignetTargets NAMESPACE Signet:: DESTINATION ${config_dir} COMPONENT development)
  foreach(folder kernels tensor nn optim data models study)
    file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.h)
    install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/signet/${folder} COMPONENT development)
  endforeach()
  install(FILES kernels/cuda/runtime.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/signet/kernels/cuda COMPONENT development)
  configure_package_config_file(cmake/SignetConfig.cmake.in SignetConfig.cmake INSTALL_DESTINATION ${config_dir})
  write_basic_package_version_file(SignetConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/SignetConfig.cmake ${CMAKE_BINARY_DIR}/SignetConfigVersion.cmake
          DESTINATION ${config_dir} COMPONENT development)
endif()

set(CPACK_PACKAGE_NAME signet)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "transfer learning for images, with handwritten kernels")
set(CPACK_PACKAGE_VENDOR "The Signet project")
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_STRIP_FILES ON)
if(SIGNET_PORTABLE)
  set(CPACK_GENERATOR TXZ)
  set(CPACK_PACKAGE_FILE_NAME signet-${PROJECT_VERSION}-linux-${CMAKE_SYSTEM_PROCESSOR})
  # The licences of what is linked in ask to go with it.
  foreach(package libfmt-dev libhwy-dev libcpp-httplib-dev libstb-dev nlohmann-json3-dev libcli11-dev)
    install(FILES /usr/share/doc/${package}/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/signet/licences
            RENAME ${package} COMPONENT program)
  endforeach()
else()
  set(CPACK_GENERATOR DEB)
  set(CPACK_DEB_COMPONENT_INSTALL ON)
  set(CPACK_COMPONENTS_ALL program development)
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  # Whoever hands the packages on should name themselves here.
  set(SIGNET_MAINTAINER "Signet <signet@localhost>" CACHE STRING "Maintainer of the Debian packages: Name <address>")
  set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${SIGNET_MAINTAINER})
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME signet)
  set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION science)
  set(CPACK_DEBIAN_PROGRAM_DESCRIPTION "Trains and compares image classifiers on a folder of images, cross-validated,
with handwritten kernels: ResNets by transfer learning, and small networks
from scratch. Answers in a browser and exports to ONNX.")
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libsignet-dev)
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libfmt-dev, libhwy-dev")
  set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "Static libraries and headers: tensors, autograd, layers, optimisers and image data sets, with handwritten
kernels; find_package(Signet) has the targets.")
endif()
include(CPack)
