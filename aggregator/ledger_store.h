#pragma once
// Keeps the ledger's snapshots: DATA/ledger/<sequence, 16 hex>.snap, the newest two.
//
// Flow: Ledger -> save() (on intervals, before segments go) -> crash -> load() -> replay of the
// queue behind it. Owns no thread; one caller at a time. `fs` must outlive it. Failure: a failed
// save leaves the older snapshots, and with them the segments they need. A damaged snapshot gives
// way to the older one and a longer replay; only when no whole one is left is a damaged one used,
// its damaged streams counted. A newer version stops the start, untouched.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/ledger.h"
#include "common/base/file_system.h"

namespace logtail::aggregator {

class LedgerStore {
 public:
  LedgerStore(base::FileSystem& fs, std::string directory, uint64_t queueId)
      : fs_(fs), directory_(std::move(directory)), queueId_(queueId) {}

  struct Loaded {
    uint64_t sequence = 0;  // replay begins behind it; 0: none was there
    uint64_t snapshotsDamaged = 0;
    uint64_t recordsDamaged = 0;  // streams and nodes whose state the used snapshot lost
    uint64_t foreign = 0;         // snapshots of another queue id, renamed to *.foreign
  };
  // The newest usable snapshot into `into` (emptied first). `oldestEntry` is the first entry that
  // the queue still holds: an older snapshot is only worth taking when replay can begin behind it.
  base::Result<Loaded> load(Ledger& into, uint64_t oldestEntry);

  // `bytes` is LedgerSnapshot::encode() of the state at `sequence`, and the queue is durable up to
  // there. Durable when it returns ok.
  base::Status save(uint64_t sequence, std::string_view bytes);

  // kTooNew when one of them is a newer version's. Looks only: for a start that has touched
  // nothing.
  base::Status checkVersions() const;
  // The newest snapshot once more, into an empty ledger that is not the running one; leaves it
  // empty when there is none.
  base::Status loadNewest(Ledger& into);
  // Lets the older one go, so that the newest alone says what may be deleted.
  void keepNewest() { prune(1); }

  // Entries up to here may be deleted: every kept snapshot covers them.
  uint64_t covered() const { return kept_.empty() ? 0 : kept_.front(); }
  uint64_t newest() const { return kept_.empty() ? 0 : kept_.back(); }

  static base::Result<std::vector<uint64_t>> list(base::FileSystem& fs,
                                                  const std::string& directory);

 private:
  enum class Usable : uint8_t { kWhole, kPartly, kNot, kForeign };
  base::Result<Usable> tryLoad(uint64_t sequence, Ledger& into, uint64_t& damagedRecords);
  void setAside(uint64_t sequence, const char* suffix);
  void sortOut(const std::vector<uint64_t>& listed, const std::vector<uint64_t>& foreign,
               std::optional<uint64_t> used);
  std::string path(uint64_t sequence) const;
  void prune(size_t keep);

  base::FileSystem& fs_;
  const std::string directory_;
  const uint64_t queueId_;
  std::vector<uint64_t> kept_;  // ascending
};

}  // namespace logtail::aggregator
