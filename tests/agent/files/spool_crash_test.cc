// The spool's crash promise, over every operation at which the machine can stop.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/spool.h"
#include "tests/agent/files/memory_log_file.h"
#include "tests/support/crash_file_system.h"

namespace logtail::agent {
namespace {

using logtail::test::CrashFileSystem;
using logtail::test::OpKind;
using test::headerOf;
using test::logBytes;
using test::MemoryLogFile;

constexpr uint64_t kSeeds = 12;

// What the workload was told, by fingerprint of the copy.
struct Told {
  std::map<uint64_t, std::string> copied;  // copy() returned ok
  std::map<uint64_t, std::string> attempted;
};

// Two streams, three copies, one of two chunks; one copy goes again.
Told workload(CrashFileSystem& files) {
  Told told;
  Spool spool(files, "state/spool");
  if (!spool.load().ok()) return told;
  const auto copy = [&](const std::string& pod, uint64_t print, size_t size) {
    MemoryLogFile source(logBytes(size, static_cast<unsigned>(print)));
    told.attempted[print] = logBytes(size, static_cast<unsigned>(print));
    if (spool.copy(headerOf(pod, print), source).ok()) told.copied[print] = told.attempted[print];
  };
  copy("a", 1, 5000);
  copy("b", 2, kSpoolChunk + 100);
  told.copied.erase(1);  // from here on it may be gone
  (void)spool.remove(headerOf("a", 1).description.key(), {1, 0});
  copy("a", 3, 70);
  return told;
}

// What the promise says of the file system after the crash; empty when all of it holds.
std::string violation(CrashFileSystem& files, const Told& told) {
  Spool spool(files, "state/spool");
  if (const auto loaded = spool.load(); !loaded.ok()) return "load: " + loaded.message();
  for (const auto& [print, bytes] : told.copied) {
    const std::string pod = print == 2 ? "b" : "a";
    const auto* copy = spool.find(headerOf(pod, print).description.key(), {print, 0});
    if (copy == nullptr) return "copy " + std::to_string(print) + " is not there";
  }
  for (const auto& [key, copy] : spool.copies()) {
    auto file = spool.open(copy);
    if (!file.ok()) return "open: " + file.message();
    if (test::readFrom(**file, 0) != told.attempted.at(key.second.fingerprint)) {
      return "copy " + std::to_string(key.second.fingerprint) + " is not whole";
    }
  }
  const auto streams = files.list("state/spool");
  if (!streams.ok()) return "";
  for (const std::string& stream : *streams) {
    const auto names = files.list("state/spool/" + stream);
    if (!names.ok()) return "list: " + names.message();
    for (const std::string& name : *names) {
      if (name.ends_with(".tmp")) return "a temporary leaked: " + name;
    }
  }
  return "";
}

// The first violation of all crashes while the syncs that `ignore` names do nothing.
std::string firstViolation(const CrashFileSystem::Ignore& ignore) {
  for (uint64_t n = 0;; ++n) {
    CrashFileSystem files;
    if (ignore) files.ignoreSyncs(ignore);
    files.crashAfterOperation(n);
    const Told told = workload(files);
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      const auto rebooted = files.crash(seed);
      const std::string found = violation(*rebooted, told);
      if (!found.empty()) {
        return found + " (operation " + std::to_string(n) + ", seed " + std::to_string(seed) + ")";
      }
    }
    if (!files.crashed()) return "";
  }
}

TEST(SpoolCrash, ACopyThatIsToldIsWholeAfterACrashAtAnyOperation) {
  EXPECT_EQ(firstViolation(nullptr), "");
}

struct Sync {
  const char* name;
  CrashFileSystem::Ignore is;
};

class SpoolSync : public testing::TestWithParam<Sync> {};

TEST_P(SpoolSync, IsNeeded) {
  EXPECT_NE(firstViolation(GetParam().is), "");
}

INSTANTIATE_TEST_SUITE_P(All, SpoolSync,
                         testing::Values(Sync{"OfTheCopysBytes",
                                              [](const std::string& path, bool isDirectory) {
                                                return !isDirectory && path.ends_with(".tmp");
                                              }},
                                         Sync{"OfItsDirectory",
                                              [](const std::string&, bool isDirectory) {
                                                return isDirectory;
                                              }}),
                         [](const auto& row) { return std::string(row.param.name); });

// Every operation of a copy fails once, without a crash: the error is told and nothing is left.
TEST(SpoolFaults, ACopyThatFailsLeavesNothingBehind) {
  for (const OpKind kind : {OpKind::kCreate, OpKind::kTruncate, OpKind::kWrite, OpKind::kSyncData,
                            OpKind::kRename, OpKind::kSyncDirectory, OpKind::kCreateDirectories}) {
    for (uint64_t nth = 0;; ++nth) {
      CrashFileSystem files;
      Spool spool(files, "state/spool");
      files.failNth(kind, nth, base::Errc::kPushBack);
      MemoryLogFile source(logBytes(kSpoolChunk + 100, 1));
      const auto made = spool.copy(headerOf("a", 1), source);
      if (made.ok()) {
        ASSERT_GT(nth, 0u) << name(kind) << ": no such operation was met";
        break;
      }
      EXPECT_EQ(spool.counts().failedCopies, 1u) << name(kind) << nth;
      EXPECT_EQ(spool.find(headerOf("a", 1).description.key(), {1, 0}), nullptr);
      Spool again(files, "state/spool");
      ASSERT_TRUE(again.load().ok());
      EXPECT_TRUE(again.copies().empty()) << name(kind) << nth;
      EXPECT_EQ(again.counts().leftovers, 0u) << name(kind) << nth;
    }
  }
}

TEST(SpoolShare, EachWorkerFindsItsOwnStreamsOnly) {
  CrashFileSystem files;
  Spool all(files, "state/spool");
  for (const char* pod : {"a", "b", "c", "d", "e", "f"}) {
    MemoryLogFile source(logBytes(100, 1));
    ASSERT_TRUE(all.copy(headerOf(pod, 1), source).ok());
  }
  size_t found = 0;
  for (unsigned index = 0; index < 3; ++index) {
    Spool share(files, "state/spool", {index, 3});
    ASSERT_TRUE(share.load().ok());
    for (const auto& [key, copy] : share.copies()) EXPECT_EQ(key.first.hash.low % 3, index);
    found += share.copies().size();
  }
  EXPECT_EQ(found, 6u);
}

}  // namespace
}  // namespace logtail::agent
