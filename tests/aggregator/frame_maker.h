#pragma once
// What an agent would send: real units with real records, positions kept per stream.
// For tests of the ledger's store, the receiver and the audit.

#include <map>
#include <string>
#include <vector>

#include "common/event/unit_writer.h"

namespace logtail::aggregator {

class FrameMaker {
 public:
  struct Made {
    std::string unit;
    std::vector<event::BlockHeader> blocks;
  };

  // One unit with one block of each stream, each of `lines` lines.
  Made unit(const std::vector<event::StreamKey>& streams, size_t lines, bool end = false) {
    Made made;
    for (const event::StreamKey& key : streams) {
      Place& place = places_[key];
      event::BlockHeader start;
      start.stream = key;
      start.generation = {place.ordinal + 1000, 0};
      start.ordinal = place.ordinal;
      start.from = place.at;
      start.observedNanos = 1'700'000'000'000'000'000;
      writer_.beginBlock(start);
      for (size_t i = 0; i < lines; ++i) {
        const std::string message = "line " + std::to_string(++number_);
        const uint64_t raw = message.size() + 40;
        writer_.add(start.observedNanos + static_cast<int64_t>(number_), place.at, 0, message, raw);
        place.at += raw;
        sealed_[key].bytes += raw;
        ++sealed_[key].records;
      }
      const uint32_t flags = end ? uint32_t{event::kBlockEnd} : 0;
      made.blocks.push_back(writer_.endBlock(place.at, {}, place.at, flags));
      sealed_[key].digest += made.blocks.back().digest;
      if (end) place = {0, place.ordinal + 1};
    }
    writer_.seal(made.unit);
    return made;
  }

  // The stream's present generation once more, from its first byte, under the next epoch: with its
  // old end, or with another one.
  Made again(const event::StreamKey& key, bool sameEnd) {
    const Place& place = places_[key];
    event::BlockHeader start;
    start.stream = key;
    start.generation = {place.ordinal + 1000, 1};
    start.ordinal = place.ordinal + 1;
    start.observedNanos = 1'700'000'000'000'000'000;
    writer_.beginBlock(start);
    writer_.add(start.observedNanos - 5'000'000'000, 0, 0, "line", place.at);
    Made made;
    made.blocks.push_back(writer_.endBlock(place.at, {}, place.at + (sameEnd ? 0 : 1), 0));
    sealed_[key].bytes += place.at;
    ++sealed_[key].records;
    sealed_[key].digest += made.blocks.back().digest;
    writer_.seal(made.unit);
    return made;
  }

  struct Sealed {
    uint64_t bytes = 0;
    uint64_t records = 0;
    uint64_t digest = 0;
  };
  const Sealed& sealed(const event::StreamKey& key) { return sealed_[key]; }

 private:
  struct Place {
    uint64_t at = 0;
    uint32_t ordinal = 0;
  };
  event::UnitWriter writer_{1};
  std::map<event::StreamKey, Place> places_;
  std::map<event::StreamKey, Sealed> sealed_;
  uint64_t number_ = 0;
};

}  // namespace logtail::aggregator
