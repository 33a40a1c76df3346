#include "tests/support/crash_names.h"

#include <utility>

namespace logtail::test {

void CrashNames::Touched::add(const Operation& operation) {
  if (operation.from) keys.insert(*operation.from);
  if (operation.to) keys.insert(*operation.to);
  inodes.insert(operation.inode);
}

bool CrashNames::Touched::by(const Operation& operation) const {
  return inodes.contains(operation.inode) || (operation.from && keys.contains(*operation.from)) ||
         (operation.to && keys.contains(*operation.to));
}

std::optional<uint64_t> CrashNames::find(const Key& key) const {
  const auto found = now_.find(key);
  if (found == now_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> CrashNames::list(uint64_t directory) const {
  std::vector<std::string> names;
  for (auto at = now_.lower_bound({directory, ""}); at != now_.end(); ++at) {
    if (at->first.directory != directory) break;
    names.push_back(at->first.name);
  }
  return names;
}

void CrashNames::applyTo(Map& map, const Operation& operation) {
  if (operation.from) map.erase(*operation.from);
  if (operation.to) map[*operation.to] = operation.inode;
}

void CrashNames::apply(Operation operation) {
  applyTo(now_, operation);
  pending_.push_back(std::move(operation));
}

void CrashNames::create(const Key& key, uint64_t inode) {
  apply({std::nullopt, key, inode});
}

void CrashNames::createDurable(const Key& key, uint64_t inode) {
  create(key, inode);
  sync(key.directory);
}

void CrashNames::remove(const Key& key) {
  apply({key, std::nullopt, now_.at(key)});
}

void CrashNames::rename(const Key& from, const Key& to) {
  apply({from, to, now_.at(from)});
}

void CrashNames::sync(uint64_t directory) {
  std::vector<bool> committed(pending_.size());
  Touched needed;
  for (size_t i = pending_.size(); i-- > 0;) {
    committed[i] = pending_[i].directory() == directory || needed.by(pending_[i]);
    if (committed[i]) needed.add(pending_[i]);
  }
  std::vector<Operation> left;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (committed[i]) {
      applyTo(durable_, pending_[i]);
    } else {
      left.push_back(std::move(pending_[i]));
    }
  }
  pending_ = std::move(left);
}

CrashNames CrashNames::afterCrash(CrashDice& dice) const {
  CrashNames after;
  after.now_ = durable_;
  Touched dropped;
  for (const Operation& operation : pending_) {
    if (!dropped.by(operation) && dice.keep()) {
      applyTo(after.now_, operation);
    } else {
      dropped.add(operation);
    }
  }
  after.durable_ = after.now_;
  return after;
}

std::set<uint64_t> CrashNames::named() const {
  std::set<uint64_t> inodes;
  for (const auto& [key, inode] : now_) inodes.insert(inode);
  return inodes;
}

std::set<uint64_t> CrashNames::reachable() const {
  std::set<uint64_t> inodes = named();
  for (const auto& [key, inode] : durable_) inodes.insert(inode);
  for (const Operation& operation : pending_) inodes.insert(operation.inode);
  return inodes;
}

}  // namespace logtail::test
