# logtail_library(name SOURCES a.cc ... DEPS x y): one static library a room.
# logtail_program(name SOURCES ... DEPS ...):      an executable of the product or of bench/.
# logtail_test(name SOURCES ... DEPS ...):         a GoogleTest binary, its cases listed one by one.
# logtail_fuzzer(name SOURCE f.cc CORPUS dir DEPS): a libFuzzer target, or a replay of its corpus.

# The base directory makes a build of another clone of the same commit hit as well.
find_program(LOGTAIL_CCACHE ccache)
if(LOGTAIL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
    "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${LOGTAIL_CCACHE}")
endif()

add_library(logtail_flags INTERFACE)
target_compile_options(logtail_flags INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Werror
  -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # At -O3 GCC 12 warns of std::string's own copies (its bug 105651) and of what a std::variant or
  # std::optional does not hold (its bug 105562).
  target_compile_options(logtail_flags INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(logtail_flags INTERFACE -march=x86-64-v2)
endif()
target_include_directories(logtail_flags INTERFACE "${CMAKE_SOURCE_DIR}")
target_link_libraries(logtail_flags INTERFACE Threads::Threads)
if(LOGTAIL_SANITIZE)
  target_compile_options(logtail_flags INTERFACE -fsanitize=${LOGTAIL_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(logtail_flags INTERFACE -fsanitize=${LOGTAIL_SANITIZE})
endif()
if(LOGTAIL_SANITIZE MATCHES "thread")
  # GCC's ThreadSanitizer knows no fences; Asio's queue is ordered by its mutex without them.
  target_compile_definitions(logtail_flags INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()
if(LOGTAIL_FUZZ)
  target_compile_options(logtail_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

function(logtail_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC logtail_flags ${arg_DEPS})
endfunction()

function(logtail_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE logtail_flags ${arg_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
endfunction()

include(GoogleTest)
function(logtail_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE logtail_flags ${arg_DEPS} GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE LOGTAIL_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
    LOGTAIL_BINARY_DIR="${CMAKE_BINARY_DIR}")
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT ${arg_TIMEOUT})
endfunction()

function(logtail_fuzzer name)
  cmake_parse_arguments(arg "" "SOURCE;CORPUS" "DEPS" ${ARGN})
  get_filename_component(arg_CORPUS "${arg_CORPUS}" ABSOLUTE)
  if(LOGTAIL_FUZZ)
    add_executable(${name} ${arg_SOURCE})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${arg_SOURCE} "${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc")
    add_test(NAME "fuzz.${name}.corpus" COMMAND ${name} "${arg_CORPUS}")
  endif()
  target_link_libraries(${name} PRIVATE logtail_flags ${arg_DEPS})
endfunction()
