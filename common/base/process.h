#pragma once
// What every program of ours does with its process before it starts threads. Linux and POSIX; for
// main only.

#include <csignal>
#include <string>

namespace logtail::base {

// Exit code for what a person must change: configuration, arguments, state of a newer version.
inline constexpr int kExitFixInput = 2;

// SIGTERM, SIGINT and SIGHUP (the terminal went) wait for waitForStop() in this thread and those it
// starts; SIGPIPE is ignored: writes tell.
void blockStopSignals();
// Returns when one of them came.
void waitForStop();

// As many descriptors as the machine allows: every file followed or written may be open. `program`
// is for the log.
void raiseDescriptorLimit(const std::string& program);

}  // namespace logtail::base
