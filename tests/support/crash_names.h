#pragma once
// The names of a simulated file system: what lookups see now, what the disk surely holds, and the
// name operations between.
//
// After a crash any subset of the unsynced operations shows, with one rule that every journaling
// file system keeps: operations that touch one name or one file show in their order. So a rename
// shows old or new, never neither; a created and renamed file vanishes, has its first name or its
// second. A rename between directories is safe once the directory it went to is synced. Thread:
// under its file system's mutex.

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/support/crash_dice.h"

namespace logtail::test {

class CrashNames {
 public:
  struct Key {
    uint64_t directory = 0;  // inode
    std::string name;
    auto operator<=>(const Key&) const = default;
  };

  std::optional<uint64_t> find(const Key& key) const;
  std::vector<std::string> list(uint64_t directory) const;  // sorted

  void create(const Key& key, uint64_t inode);
  void createDurable(const Key& key, uint64_t inode);
  void remove(const Key& key);
  void rename(const Key& from, const Key& to);
  void sync(uint64_t directory);

  CrashNames afterCrash(CrashDice& dice) const;

  // Inodes that a lookup finds; inodes that a lookup after some crash could find.
  std::set<uint64_t> named() const;
  std::set<uint64_t> reachable() const;

 private:
  using Map = std::map<Key, uint64_t>;
  struct Operation {
    std::optional<Key> from;  // erased
    std::optional<Key> to;    // set
    uint64_t inode = 0;
    uint64_t directory() const { return to ? to->directory : from->directory; }
  };
  // Names and files that later operations may not overtake, or that earlier ones must be kept for.
  struct Touched {
    std::set<Key> keys;
    std::set<uint64_t> inodes;
    void add(const Operation& operation);
    bool by(const Operation& operation) const;
  };

  void apply(Operation operation);
  static void applyTo(Map& map, const Operation& operation);

  Map now_;
  Map durable_;
  std::vector<Operation> pending_;
};

}  // namespace logtail::test
