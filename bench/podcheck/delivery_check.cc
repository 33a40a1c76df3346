#include "bench/podcheck/delivery_check.h"

#include <algorithm>

#include "common/base/checksum.h"

namespace logtail::bench {
namespace {

constexpr size_t kExampleBytes = 160;

std::string describe(const StreamCount& stream) {
  return stream.namespaceName + "/" + stream.pod + "/" + stream.container +
         " r=" + std::to_string(stream.restart) + (stream.channel == 'o' ? " stdout" : " stderr");
}

std::string rangeText(uint64_t first, uint64_t last) {
  if (first == last) return " seq " + std::to_string(first);
  return " seq " + std::to_string(first) + ".." + std::to_string(last);
}

}  // namespace

const char* name(Problem problem) {
  switch (problem) {
    case Problem::kMissing:
      return "missing";
    case Problem::kDuplicated:
      return "duplicated";
    case Problem::kTorn:
      return "torn";
    case Problem::kOutOfOrder:
      return "out of order";
    case Problem::kMislabelled:
      return "mislabelled";
    case Problem::kUnknown:
      return "unknown";
    case Problem::kForeign:
      return "foreign";
    case Problem::kSameId:
      return "same id";
    case Problem::kUnreadable:
      return "unreadable";
  }
  return "?";
}

bool CheckReport::clean() const {
  return std::all_of(counts.begin(), counts.end(), [](uint64_t count) { return count == 0; });
}

std::string CheckReport::toString() const {
  std::string text =
      std::to_string(written) + " lines written, " + std::to_string(delivered) + " delivered";
  if (cut > 0) text += ", " + std::to_string(cut) + " of them cut at the limit";
  if (skipped > 0) text += ", " + std::to_string(skipped) + " before the start";
  if (excused > 0) text += ", " + std::to_string(excused) + " gone from the disk with the state";
  for (size_t i = 0; i < kProblems; ++i) {
    text += ", " + std::to_string(counts[i]) + " " + name(static_cast<Problem>(i));
  }
  text += '\n';
  for (size_t i = 0; i < kProblems; ++i) {
    for (const std::string& example : examples[i]) {
      text += std::string("  ") + name(static_cast<Problem>(i)) + ": " + example + "\n";
    }
  }
  return text;
}

DeliveryCheck::DeliveryCheck(const std::vector<StreamCount>& written, const CheckOptions& options)
    : options_(options) {
  for (const StreamCount& stream : written) {
    Stream& entry = streams_[{stream.pod, stream.container, stream.restart, stream.channel}];
    entry.written = stream;
    entry.seen.resize(stream.lines);
    report_.written += stream.lines;
  }
}

void DeliveryCheck::add(Problem problem, uint64_t count, std::string example) {
  const auto index = static_cast<size_t>(problem);
  report_.counts[index] += count;
  if (report_.examples[index].size() >= options_.examples) return;
  for (char& byte : example) {
    if (static_cast<unsigned char>(byte) < 0x20) byte = ' ';
  }
  report_.examples[index].push_back(std::move(example));
}

void DeliveryCheck::beginFile(const std::string& path) {
  file_ = path;
  ++fileNumber_;
}

void DeliveryCheck::unreadable(const std::string& why) {
  add(Problem::kUnreadable, 1, file_ + ": " + why);
}

void DeliveryCheck::record(std::string& json) {
  std::string start = json.substr(0, kExampleBytes);
  DeliveredRecord record;
  if (!parser_.parse(json, record)) return unreadable("no record: " + start);
  ids_.push_back(base::hash64(record.id));
  // Several lines in one record when multi-line joining is on.
  std::string_view left = record.message;
  for (;;) {
    const size_t end = left.find('\n');
    line(left.substr(0, end), record);
    if (end == std::string_view::npos) return;
    left.remove_prefix(end + 1);
  }
}

DeliveryCheck::Stream* DeliveryCheck::find(const LineId& id) {
  const auto found = streams_.find(
      StreamName(std::string(id.pod), std::string(id.container), id.restart, id.channel));
  return found == streams_.end() ? nullptr : &found->second;
}

void DeliveryCheck::line(std::string_view text, const DeliveredRecord& record) {
  LineId id;
  const LineCheck check = checkLine(text, id);
  const auto where = [&] { return file_ + ": " + std::string(text.substr(0, kExampleBytes)); };
  if (check == LineCheck::kForeign) return add(Problem::kForeign, 1, where());
  const bool cut = check == LineCheck::kTorn && record.truncated;
  if (check == LineCheck::kTorn && !cut) return add(Problem::kTorn, 1, where());
  Stream* stream = find(id);
  if (stream == nullptr || id.sequence < stream->written.firstSequence ||
      id.sequence - stream->written.firstSequence >= stream->seen.size()) {
    return add(Problem::kUnknown, 1, where());
  }
  checkLabels(*stream, record);
  const uint64_t index = id.sequence - stream->written.firstSequence;
  if (stream->seen[index]) return add(Problem::kDuplicated, 1, where());
  stream->seen[index] = true;
  ++report_.delivered;
  report_.cut += cut ? 1 : 0;
  place(*stream, id.sequence);
}

void DeliveryCheck::place(Stream& stream, uint64_t sequence) {
  if (stream.file != fileNumber_) {
    stream.file = fileNumber_;
    stream.ranges.push_back({sequence, sequence});
    return;
  }
  Range& range = stream.ranges.back();
  if (sequence < range.last) {
    add(Problem::kOutOfOrder, 1,
        file_ + ": " + describe(stream.written) + rangeText(sequence, sequence) + " behind " +
            std::to_string(range.last));
  }
  range.first = std::min(range.first, sequence);
  range.last = std::max(range.last, sequence);
}

void DeliveryCheck::checkLabels(const Stream& stream, const DeliveredRecord& record) {
  const StreamCount& written = stream.written;
  const char* wrong = nullptr;
  if (record.channel != (written.channel == 'o' ? "stdout" : "stderr")) wrong = "stream";
  if (record.namespaceName != written.namespaceName) wrong = "namespace_name";
  if (record.pod != written.pod) wrong = "pod_name";
  if (record.podUid != written.podUid) wrong = "pod_id";
  if (record.container != written.container) wrong = "container_name";
  if (!record.containerId.empty() && record.containerId != written.containerId) wrong = "docker_id";
  if (record.restart >= 0 && record.restart != written.restart) wrong = "restart_count";
  if (wrong != nullptr) {
    add(Problem::kMislabelled, 1, file_ + ": " + describe(written) + ": " + wrong);
  }
}

void DeliveryCheck::checkRanges(Stream& stream) {
  std::sort(stream.ranges.begin(), stream.ranges.end(),
            [](const Range& a, const Range& b) { return a.first < b.first; });
  for (size_t i = 1; i < stream.ranges.size(); ++i) {
    if (stream.ranges[i].first > stream.ranges[i - 1].last) continue;
    add(Problem::kOutOfOrder, 1,
        describe(stream.written) + ": two files hold parts of" +
            rangeText(stream.ranges[i].first, stream.ranges[i - 1].last));
  }
}

void DeliveryCheck::checkMissing(const StreamName& name, const Stream& stream) {
  const uint64_t first = stream.written.firstSequence;
  const auto& seen = stream.seen;
  size_t at = 0;
  if (options_.allowMissingBefore) {
    while (at < seen.size() && !seen[at]) ++at;
    report_.skipped += at;
  }
  const auto floor = options_.floors.find(name);
  for (; floor != options_.floors.end() && at < seen.size() && first + at < floor->second; ++at) {
    report_.excused += seen[at] ? 0 : 1;
  }
  while (at < seen.size()) {
    const size_t from = at;
    while (at < seen.size() && !seen[at]) ++at;
    if (at > from) {
      add(Problem::kMissing, at - from,
          describe(stream.written) + rangeText(first + from, first + at - 1));
    }
    while (at < seen.size() && seen[at]) ++at;
  }
}

CheckReport DeliveryCheck::finish() {
  for (auto& [key, stream] : streams_) {
    checkRanges(stream);
    checkMissing(key, stream);
  }
  std::sort(ids_.begin(), ids_.end());
  const auto distinct = static_cast<size_t>(std::unique(ids_.begin(), ids_.end()) - ids_.begin());
  if (distinct < ids_.size()) {
    add(Problem::kSameId, ids_.size() - distinct, "records share a logtail_id");
  }
  return report_;
}

}  // namespace logtail::bench
