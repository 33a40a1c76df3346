#pragma once
// The contract of an output plug-in.
//
// Flow: queue -> OutputRunner -> Output -> destination. The runner owns the output and calls it on
// one thread only; the output may finish deliveries from any thread. Failures are told through the
// deliveries: whatever goes wrong, an output lets go of everything unfinished, fires retry(), and
// is started again by the runner after a back-off, from the position start() then returns. So there
// is one way to recover, after a crash and after an error.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/base/file_system.h"
#include "common/base/result.h"
#include "common/metrics/registry.h"
#include "outputs/batch.h"
#include "outputs/manifest.h"

namespace logtail::outputs {

// How a batch ended.
struct Outcome {
  enum class Kind : uint8_t {
    kDelivered,  // the destination holds it for good
    kRetry,      // it does not, or nobody knows: start() and read again from the cursor
  };
  Kind kind = Kind::kRetry;
  std::string reason;
  // Of a delivered batch, summed over the records really written; unused with an own cursor.
  std::vector<std::pair<event::StreamKey, Tally>> written;
};

// Travels with a batch and fires exactly once; one that dies unfired fires retry. Any thread; must
// be fired or dead before its runner dies (Output::stop() sees to that).
class Delivery {
 public:
  using Fire = std::function<void(Outcome)>;
  explicit Delivery(Fire fire) : fire_(std::move(fire)) {}
  Delivery(Delivery&& other) noexcept : fire_(std::exchange(other.fire_, nullptr)) {}
  Delivery& operator=(Delivery&& other) noexcept;
  ~Delivery();

  void delivered(std::vector<std::pair<event::StreamKey, Tally>> written = {});
  void retry(std::string reason);

 private:
  void fire(Outcome outcome);
  Fire fire_;
};

class Output {
 public:
  virtual ~Output() = default;

  // Recovers its state; called before the first batch and again after every retry, when no delivery
  // is unfinished. kTooNew ends the output, anything else is tried again.
  virtual base::Status start() = 0;
  // The cursor it keeps itself, atomically with what it writes; nullptr: the runner keeps one, and
  // a crash may repeat what was not yet stored there. Lives as long as the output.
  virtual Manifest* cursor() { return nullptr; }
  virtual void take(BatchPtr batch, Delivery delivery) = 0;
  // Work that is due by time; returns when it wants to be called again (base::Clock::steady).
  virtual std::optional<base::Nanos> turn() { return std::nullopt; }
  // Finishes every delivery now: no more batches come for a while, or at all.
  virtual void drain() {}
  // Lets go: afterwards every delivery has fired. start() may follow.
  virtual void stop() = 0;
  // The ledger forgot these streams; all they had is delivered. For an own cursor.
  virtual void forget(const std::vector<event::StreamKey>& streams) { (void)streams; }
  // What it takes at most beyond the batches it holds; reserved before it is started.
  virtual uint64_t memoryBytes() const { return 0; }
};

// What every output is made with; all of it outlives the output.
struct OutputContext {
  std::string id;         // its key in `outputs:`; checked by the configuration
  std::string directory;  // DATA/outputs/<id>, its own
  base::FileSystem* files = nullptr;
  base::Clock* clock = nullptr;
  metrics::Registry* metrics = nullptr;
  uint64_t queueId = 0;  // a cursor of another queue does not count
};

}  // namespace logtail::outputs
