#include "agent/stream_registry.h"

namespace logtail::agent {

FollowedStream* StreamRegistry::find(const event::StreamKey& key) {
  const auto at = streams_.find(key);
  return at == streams_.end() ? nullptr : &at->second;
}

FollowedStream& StreamRegistry::add(std::unique_ptr<StreamTailer> tailer,
                                    base::MemoryBudget::Reservation memory) {
  const auto [at, isNew] = streams_.try_emplace(tailer->key());
  LOGTAIL_ASSERT(isNew);
  FollowedStream& stream = at->second;
  stream.tailer = std::move(tailer);
  stream.memory = std::move(memory);
  stream.cookie = watch(stream.tailer->directory(), stream);
  return stream;
}

uint32_t StreamRegistry::watch(const std::string& path, FollowedStream& stream) {
  const auto known = cookies_.find(path);
  if (known != cookies_.end()) {
    directories_.at(known->second).streams.push_back(&stream);
    return known->second;
  }
  const uint32_t cookie = nextCookie_++;
  if (!watcher_.watch(cookie, path).ok()) return kNoDirectory;
  Directory& directory = directories_[cookie];
  directory.path = path;
  directory.streams.push_back(&stream);
  cookies_.emplace(directory.path, cookie);
  return cookie;
}

void StreamRegistry::remove(const event::StreamKey& key) {
  const auto at = streams_.find(key);
  if (at == streams_.end()) return;
  const auto directory = directories_.find(at->second.cookie);
  if (directory != directories_.end()) {
    std::erase(directory->second.streams, &at->second);
    if (directory->second.streams.empty()) {
      watcher_.unwatch(directory->first);
      cookies_.erase(directory->second.path);
      directories_.erase(directory);
    }
  }
  streams_.erase(at);
}

const std::vector<FollowedStream*>& StreamRegistry::streamsIn(uint32_t cookie) const {
  static const std::vector<FollowedStream*> kNone;
  const auto at = directories_.find(cookie);
  return at == directories_.end() ? kNone : at->second.streams;
}

}  // namespace logtail::agent
