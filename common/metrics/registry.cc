#include "common/metrics/registry.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "common/base/result.h"

namespace logtail::metrics {
namespace {

bool isNameByte(char c, bool first) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (!first && c >= '0' && c <= '9');
}

bool isName(const std::string& name) {
  for (size_t i = 0; i < name.size(); ++i) {
    if (!isNameByte(name[i], i == 0)) return false;
  }
  return !name.empty();
}

void appendNumber(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    char text[64];
    const auto [end, error] = std::to_chars(text, text + sizeof text, value);
    out.append(text, error == std::errc() ? end : text);
  }
}

void appendEscaped(std::string& out, const std::string& text, bool quotes) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || (quotes && c == '"')) {
      out.append(1, '\\').append(1, c);
    } else {
      out += c;
    }
  }
}

// `a="x",b="y"`, labels by name; the key of a series and what is printed between the braces.
std::string labelText(const Labels& labels, bool asOther) {
  Labels sorted = labels;
  std::sort(sorted.begin(), sorted.end());
  std::string out;
  for (const auto& [name, value] : sorted) {
    LOGTAIL_ASSERT(isName(name) && name != "le");
    if (!out.empty()) out += ',';
    out.append(name).append("=\"");
    appendEscaped(out, asOther ? "other" : value, true);
    out += '"';
  }
  return out;
}

void appendSample(std::string& out, const std::string& name, const std::string& labels,
                  double value) {
  out += name;
  if (!labels.empty()) out.append("{").append(labels).append("}");
  out += ' ';
  appendNumber(out, value);
  out += '\n';
}

// Counts print as integers: a double would round them beyond 2^53.
void appendCount(std::string& out, const std::string& name, const std::string& labels,
                 uint64_t value) {
  out += name;
  if (!labels.empty()) out.append("{").append(labels).append("}");
  out.append(" ").append(std::to_string(value)).append("\n");
}

void appendHistogram(std::string& out, const std::string& name, const std::string& labels,
                     const Histogram& histogram) {
  uint64_t total = 0;
  for (size_t i = 0; i <= histogram.bounds().size(); ++i) {
    total += histogram.bucket(i);
    const bool last = i == histogram.bounds().size();
    std::string bucketLabels = labels.empty() ? "" : labels + ",";
    bucketLabels += "le=\"";
    appendNumber(bucketLabels,
                 last ? std::numeric_limits<double>::infinity() : histogram.bounds()[i]);
    appendCount(out, name + "_bucket", bucketLabels + "\"", total);
  }
  appendSample(out, name + "_sum", labels, histogram.sum());
  appendCount(out, name + "_count", labels, total);
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), buckets_(new std::atomic<uint64_t>[bounds_.size() + 1]()) {
  LOGTAIL_ASSERT(std::is_sorted(bounds_.begin(), bounds_.end()));
}

void Histogram::observe(double value) {
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  buckets_[static_cast<size_t>(at - bounds_.begin())].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<double> exponentialBounds(double first, double factor, size_t count) {
  std::vector<double> bounds;
  for (double bound = first; bounds.size() < count; bound *= factor) bounds.push_back(bound);
  return bounds;
}

// One of the four is set.
struct Registry::Series {
  std::unique_ptr<Counter> counter;
  std::unique_ptr<Gauge> gauge;
  std::unique_ptr<Histogram> histogram;
  std::function<double()> read;
};

struct Registry::Family {
  Kind kind;
  std::string help;
  std::map<std::string, Series> series;
};

Registry::Registry() {
  refused_ = &counter("logtail_metrics_series_refused_total",
                      "Series that became \"other\" because their name had too many label values.");
}

Registry::~Registry() = default;

Registry::Series& Registry::series(Kind kind, const std::string& name, const std::string& help,
                                   const Labels& labels) {
  LOGTAIL_ASSERT(isName(name));
  LOGTAIL_ASSERT((kind == Kind::kCounter) == name.ends_with("_total"));
  std::unique_ptr<Family>& family = families_[name];
  if (family == nullptr) family.reset(new Family{kind, help, {}});
  LOGTAIL_ASSERT(family->kind == kind);
  std::string key = labelText(labels, false);
  if (family->series.size() >= kMaxSeries && !family->series.contains(key)) {
    refused_->add();
    key = labelText(labels, true);
  }
  return family->series[key];
}

Counter& Registry::counter(const std::string& name, const std::string& help, const Labels& labels) {
  const std::lock_guard lock(mutex_);
  Series& found = series(Kind::kCounter, name, help, labels);
  LOGTAIL_ASSERT(!found.read);
  if (!found.counter) found.counter = std::make_unique<Counter>();
  return *found.counter;
}

Gauge& Registry::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  const std::lock_guard lock(mutex_);
  Series& found = series(Kind::kGauge, name, help, labels);
  LOGTAIL_ASSERT(!found.read);
  if (!found.gauge) found.gauge = std::make_unique<Gauge>();
  return *found.gauge;
}

Histogram& Registry::histogram(const std::string& name, const std::string& help,
                               const std::vector<double>& bounds, const Labels& labels) {
  const std::lock_guard lock(mutex_);
  Series& found = series(Kind::kHistogram, name, help, labels);
  if (!found.histogram) found.histogram = std::make_unique<Histogram>(bounds);
  LOGTAIL_ASSERT(found.histogram->bounds() == bounds);
  return *found.histogram;
}

Registry::Callback Registry::gaugeCallback(const std::string& name, const std::string& help,
                                           const Labels& labels, std::function<double()> read) {
  return addCallback(Kind::kGauge, name, help, labels, std::move(read));
}

Registry::Callback Registry::counterCallback(const std::string& name, const std::string& help,
                                             const Labels& labels, std::function<double()> read) {
  return addCallback(Kind::kCounter, name, help, labels, std::move(read));
}

Registry::Callback Registry::addCallback(Kind kind, const std::string& name,
                                         const std::string& help, const Labels& labels,
                                         std::function<double()> read) {
  const std::lock_guard lock(mutex_);
  Series& found = series(kind, name, help, labels);
  LOGTAIL_ASSERT(!found.counter && !found.gauge);
  found.read = std::move(read);
  return Callback([this, name, &found] {
    const std::lock_guard removing(mutex_);
    auto& all = families_.at(name)->series;
    std::erase_if(all, [&found](const auto& entry) { return &entry.second == &found; });
  });
}

Registry::Callback& Registry::Callback::operator=(Callback&& other) noexcept {
  std::swap(remove_, other.remove_);
  return *this;
}

Registry::Callback::~Callback() {
  if (remove_) remove_();
}

std::string Registry::render() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    if (family->series.empty()) continue;
    out.append("# HELP ").append(name).append(" ");
    appendEscaped(out, family->help, false);
    out.append("\n# TYPE ").append(name);
    out.append(family->kind == Kind::kCounter ? " counter\n"
               : family->kind == Kind::kGauge ? " gauge\n"
                                              : " histogram\n");
    for (const auto& [labels, series] : family->series) {
      if (series.read) appendSample(out, name, labels, series.read());
      if (series.counter) appendCount(out, name, labels, series.counter->value());
      if (series.gauge) appendSample(out, name, labels, series.gauge->value());
      if (series.histogram) appendHistogram(out, name, labels, *series.histogram);
    }
  }
  return out;
}

}  // namespace logtail::metrics
