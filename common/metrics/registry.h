#pragma once
// Counters, gauges and histograms of one program, and their Prometheus text.
//
// Flow: main owns one Registry and passes it by reference; each room asks for its handles once, at
// its start, and increments them; GET /metrics calls render(). A handle lives as long as the
// registry. Handles: any thread, no lock (relaxed atomics). Registry: any thread, one lock, so not
// for the hot path. Asking twice for one name and labels gives the same handle.
//
// Names: `logtail_<what>_<unit>`, base units (seconds, bytes), counters end in `_total`. Labels
// must be bounded; past kMaxSeries of one name all further label values become "other", and
// `logtail_metrics_series_refused_total` counts it. A wrong name or a name used for two kinds is a
// bug: the process stops.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace logtail::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

inline constexpr size_t kMaxSeries = 1000;  // of one name

// Goes up only. A cache line each: two threads' counters do not slow one another.
class alignas(64) Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class alignas(64) Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double delta) { value_.fetch_add(delta, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Counts observations by upper bound (included). Bounds are ascending; +Inf is added.
class alignas(64) Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void observe(double value);

  const std::vector<double>& bounds() const { return bounds_; }
  uint64_t bucket(size_t index) const { return buckets_[index].load(std::memory_order_relaxed); }
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::vector<double> bounds_;
  const std::unique_ptr<std::atomic<uint64_t>[]> buckets_;  // one more than bounds_, not cumulative
  std::atomic<double> sum_{0};
};

// first, first*factor, ... `count` bounds.
std::vector<double> exponentialBounds(double first, double factor, size_t count);

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram& histogram(const std::string& name, const std::string& help,
                       const std::vector<double>& bounds, const Labels& labels = {});

  // Asked at each render() on its thread, under the lock: `read` is quick, safe on any thread and
  // does not use the registry. The series is there until the Callback dies; render() never calls
  // `read` after that. Must not outlive the registry.
  class [[nodiscard]] Callback {
   public:
    Callback() = default;
    Callback(Callback&& other) noexcept : remove_(std::exchange(other.remove_, nullptr)) {}
    Callback& operator=(Callback&& other) noexcept;
    ~Callback();

   private:
    friend class Registry;
    explicit Callback(std::function<void()> remove) : remove_(std::move(remove)) {}
    std::function<void()> remove_;
  };
  Callback gaugeCallback(const std::string& name, const std::string& help, const Labels& labels,
                         std::function<double()> read);
  Callback counterCallback(const std::string& name, const std::string& help, const Labels& labels,
                           std::function<double()> read);

  // All series, Prometheus text exposition format 0.0.4; names and labels in order.
  std::string render() const;
  static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  enum class Kind : uint8_t { kCounter, kGauge, kHistogram };
  struct Series;
  struct Family;
  using FamilyMap = std::map<std::string, std::unique_ptr<Family>>;

  Series& series(Kind kind, const std::string& name, const std::string& help, const Labels& labels);
  Callback addCallback(Kind kind, const std::string& name, const std::string& help,
                       const Labels& labels, std::function<double()> read);

  mutable std::mutex mutex_;
  FamilyMap families_;
  Counter* refused_ = nullptr;
};

}  // namespace logtail::metrics
