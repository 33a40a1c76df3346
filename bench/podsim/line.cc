#include "bench/podsim/line.h"

#include <charconv>
#include <vector>

#include "common/base/checksum.h"

namespace logtail::bench {
namespace {

constexpr std::string_view kTextHead = "podsim pod=";
constexpr std::string_view kTextCrc = " crc=";
constexpr std::string_view kFrameHead = "\tat com.example.Shop.handle(Shop.java:42) ";
constexpr std::string_view kJsonHead = R"({"sim":"podsim","pod":")";
constexpr std::string_view kJsonCrc = R"(","crc":")";
constexpr std::string_view kJsonEnd = R"("})";
constexpr size_t kCrcDigits = 8;

// Words to cut messages from; the text ones hold what an encoder must escape or keep as it is.
constexpr std::string_view kPlainWords[] = {"request",    "served",
                                            "in",         "ms",
                                            "user",       "order",
                                            "cache",      "miss",
                                            "payment",    "accepted",
                                            "retry",      "upstream",
                                            "timeout",    "after",
                                            "session",    "opened",
                                            "GET",        "/api/v1/items",
                                            "status",     "200",
                                            "bytes=1532", "trace=4bf92f3577b34da6",
                                            "shard",      "rebalanced",
                                            "queue",      "depth",
                                            "17",         "größe",
                                            "日本",       "connection",
                                            "10.4.17.3",  "closed",
                                            "by",         "peer"};
constexpr std::string_view kTextWords[] = {"\"quoted\"", "back\\slash", "tab\there", "<tag>&amp;",
                                           "{\"k\":[1,2]}"};

// A long run of words; a message takes a piece from a word's start.
class Words {
 public:
  explicit Words(bool text) {
    uint64_t state = text ? 1 : 2;
    while (bytes_.size() < kBytes) {
      starts_.push_back(bytes_.size());
      state = base::mix64(state + 0x9e3779b97f4a7c15ULL);
      const bool special = text && state % 16 == 0;
      if (special) {
        bytes_ += kTextWords[(state >> 8) % std::size(kTextWords)];
      } else if (state % 5 == 0) {
        bytes_ += std::to_string((state >> 8) % 100000);
      } else {
        bytes_ += kPlainWords[(state >> 8) % std::size(kPlainWords)];
      }
      bytes_ += ' ';
    }
  }

  void append(std::string& out, uint64_t count, uint64_t variety) const {
    size_t at = starts_[variety % starts_.size()];
    while (count > 0) {
      const std::string_view piece = std::string_view(bytes_).substr(at, count);
      out.append(piece);
      count -= piece.size();
      at = 0;
    }
    while ((static_cast<unsigned char>(out.back()) & 0xc0) == 0x80) out.pop_back();
    if (static_cast<unsigned char>(out.back()) >= 0xc0) out.pop_back();
  }

 private:
  static constexpr size_t kBytes = 256 * 1024;
  std::string bytes_;
  std::vector<size_t> starts_;
};

template <typename T>
void appendNumber(std::string& out, T value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

void appendCrc(std::string& out, size_t lineAt) {
  const uint32_t crc = base::crc32c(std::string_view(out).substr(lineAt));
  const bool json = out[lineAt] == '{';
  out += json ? kJsonCrc : kTextCrc;
  for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[(crc >> shift) & 15];
  if (json) out += kJsonEnd;
}

// Takes literals and numbers off the front of a line; the first that is not there fails it.
class Scanner {
 public:
  explicit Scanner(std::string_view left) : left_(left) {}

  Scanner& literal(std::string_view text) {
    ok_ = ok_ && left_.starts_with(text);
    if (ok_) left_.remove_prefix(text.size());
    return *this;
  }
  Scanner& until(char end, std::string_view& out) {
    const size_t at = left_.find(end);
    ok_ = ok_ && at != std::string_view::npos;
    if (!ok_) return *this;
    out = left_.substr(0, at);
    left_.remove_prefix(at);
    return *this;
  }
  template <typename T>
  Scanner& number(T& out) {
    if (!ok_) return *this;
    const auto [end, failed] = std::from_chars(left_.data(), left_.data() + left_.size(), out);
    ok_ = failed == std::errc();
    left_.remove_prefix(static_cast<size_t>(end - left_.data()));
    return *this;
  }
  Scanner& letter(char& out) {
    ok_ = ok_ && !left_.empty();
    if (!ok_) return *this;
    out = left_.front();
    left_.remove_prefix(1);
    return *this;
  }
  bool ok() const { return ok_; }

 private:
  std::string_view left_;
  bool ok_ = true;
};

bool scanText(std::string_view line, LineId& out) {
  Scanner in(line);
  return in.literal(kTextHead)
      .until(' ', out.pod)
      .literal(" c=")
      .until(' ', out.container)
      .literal(" r=")
      .number(out.restart)
      .literal(" ch=")
      .letter(out.channel)
      .literal(" seq=")
      .number(out.sequence)
      .literal(" t=")
      .number(out.timeNanos)
      .literal(" ")
      .ok();
}

bool scanJson(std::string_view line, LineId& out) {
  Scanner in(line);
  return in.literal(kJsonHead)
      .until('"', out.pod)
      .literal(R"(","c":")")
      .until('"', out.container)
      .literal(R"(","r":)")
      .number(out.restart)
      .literal(R"(,"ch":")")
      .letter(out.channel)
      .literal(R"(","seq":)")
      .number(out.sequence)
      .literal(R"(,"t":)")
      .number(out.timeNanos)
      .literal(R"(,"msg":")")
      .ok();
}

}  // namespace

void appendLine(std::string& out, LineShape shape, const LineId& id, uint64_t bytes,
                uint64_t variety) {
  static const Words textWords(true);
  static const Words jsonWords(false);
  const size_t lineAt = out.size();
  const bool json = shape == LineShape::kJson;
  if (shape == LineShape::kFrame) out += kFrameHead;
  out += json ? kJsonHead : kTextHead;
  out += id.pod;
  out += json ? R"(","c":")" : " c=";
  out += id.container;
  out += json ? R"(","r":)" : " r=";
  appendNumber(out, id.restart);
  out += json ? R"(,"ch":")" : " ch=";
  out += id.channel;
  out += json ? R"(","seq":)" : " seq=";
  appendNumber(out, id.sequence);
  out += json ? R"(,"t":)" : " t=";
  appendNumber(out, id.timeNanos);
  out += json ? R"(,"msg":")" : " ";
  const size_t tail = kCrcDigits + (json ? kJsonCrc.size() + kJsonEnd.size() : kTextCrc.size());
  const size_t used = out.size() - lineAt + tail;
  if (bytes > used) (json ? jsonWords : textWords).append(out, bytes - used, variety);
  appendCrc(out, lineAt);
}

LineCheck checkLine(std::string_view line, LineId& out) {
  const bool json = line.starts_with(kJsonHead);
  if (json) {
    if (!scanJson(line, out)) return LineCheck::kForeign;
  } else {
    const size_t at = line.find(kTextHead);
    if (at == std::string_view::npos || !scanText(line.substr(at), out)) return LineCheck::kForeign;
  }
  const std::string_view end = json ? kJsonEnd : std::string_view();
  const std::string_view mark = json ? kJsonCrc : kTextCrc;
  const size_t tail = mark.size() + kCrcDigits + end.size();
  if (line.size() < tail || !line.ends_with(end)) return LineCheck::kTorn;
  const std::string_view body = line.substr(0, line.size() - tail);
  if (line.substr(body.size(), mark.size()) != mark) return LineCheck::kTorn;
  const std::string_view digits = line.substr(body.size() + mark.size(), kCrcDigits);
  uint32_t crc = 0;
  const auto [parsed, failed] =
      std::from_chars(digits.data(), digits.data() + digits.size(), crc, 16);
  if (failed != std::errc() || parsed != digits.data() + digits.size()) return LineCheck::kTorn;
  return base::crc32c(body) == crc ? LineCheck::kWhole : LineCheck::kTorn;
}

}  // namespace logtail::bench
