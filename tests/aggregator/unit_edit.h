#pragma once
// Units made again with one block hidden, doubled or altered: what the audit must notice.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/event/unit_writer.h"
#include "common/wal/entry.h"

namespace logtail::aggregator {

// kAgain is for whoever makes the units: a whole generation under a new epoch.
enum class Edit { kHide, kDouble, kAlter, kAgain };

inline const char* name(Edit edit) {
  constexpr const char* kNames[] = {"Hide", "Double", "Alter", "Again"};
  return kNames[static_cast<size_t>(edit)];
}

// What becomes of each block of the old units, in order: how often it is in the new ones.
struct Edited {
  std::string units;
  std::vector<unsigned> copies;
};

inline void writeBlock(const event::BlockHeader& header, const std::vector<event::Record>& records,
                       bool alter, event::UnitWriter& writer) {
  writer.beginBlock(header);
  for (size_t i = 0; i < records.size(); ++i) {
    const event::Record& record = records[i];
    std::string message(record.message);
    if (alter && i == 0) message[0] ^= 1;
    // All of the block's record bytes with the first: only their sum is kept.
    writer.add(record.timeNanos, record.offset, record.flags, message,
               i == 0 ? header.recordBytes : 0);
  }
  writer.endBlock(header.to, header.channels, header.tailHash, header.flags);
}

// Edits the first block.
inline Edited editUnits(std::string_view units, Edit edit) {
  Edited made;
  event::UnitWriter writer(1);
  const base::Status walked = wal::forEachUnit(units, [&](std::string_view unit) -> base::Status {
    const auto view = event::UnitView::parse(unit);
    if (!view.ok()) return view.error();
    event::UnitReader reader;
    LOGTAIL_TRY(reader.open(*view));
    for (size_t i = 0; i < view->blocks().size(); ++i) {
      const bool chosen = made.copies.empty();
      std::vector<event::Record> records;
      LOGTAIL_TRY(reader.readBlock(i, records));
      made.copies.push_back(!chosen ? 1 : edit == Edit::kHide ? 0 : edit == Edit::kDouble ? 2 : 1);
      for (unsigned n = 0; n < made.copies.back(); ++n) {
        writeBlock(view->blocks()[i], records, chosen && edit == Edit::kAlter, writer);
      }
    }
    if (writer.empty()) return {};
    std::string bytes;
    writer.seal(bytes);
    made.units += bytes;
    return {};
  });
  EXPECT_TRUE(walked.ok());
  return made;
}

}  // namespace logtail::aggregator
