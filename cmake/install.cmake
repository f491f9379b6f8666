include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(weightscope_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/weightscope)
install(DIRECTORY include/weightscope DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS weightscope weightscope_core EXPORT weightscope-targets)
install(EXPORT weightscope-targets NAMESPACE weightscope:: DESTINATION ${weightscope_cmake_dir})
configure_package_config_file(cmake/weightscope-config.cmake.in weightscope-config.cmake
    INSTALL_DESTINATION ${weightscope_cmake_dir} PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(weightscope-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/weightscope-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/weightscope-config-version.cmake
    cmake/compiled.cmake cmake/cuda.cmake DESTINATION ${weightscope_cmake_dir})
if(TARGET weightscope_tool)
    install(TARGETS weightscope_tool COMPONENT tool)
endif()
