cmake_minimum_required(VERSION 3.25)
# Fails when the header and the project disagree on the version.
file(STRINGS ${ROOT}/core/version.hpp line REGEX "version = \"${VERSION}\"")
if(NOT line)
    message(SEND_ERROR "core/version.hpp does not say ${VERSION}, the project's version")
endif()
