// Any bytes as a CRI log file: every line parses as a simple reference says, from the line's bytes
// alone; the assembler, given the file in pieces of any size, makes the reference's records, and
// each byte is a record byte, a counted drop or a byte of an open record. The first byte chooses
// the pieces, the second the length limit and whether units are nearly full when they begin.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "agent/record_assembler.h"

namespace {

using namespace logtail;

constexpr event::GenerationId kGeneration{0x3333, 0};
constexpr int64_t kObserved = 1'700'000'000'000'000'000;

// --- the reference ------------------------------------------------------------------------------

struct Line {
  int64_t timeNanos = 0;
  bool isStderr = false;
  bool partial = false;
  std::string message;
};

// Reads from the front of a line; a failed read fails all that follow.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : left_(text) {}
  bool ok = true;

  int number(size_t digits) {
    int value = 0;
    for (size_t i = 0; i < digits; ++i) {
      const char c = next();
      ok = ok && c >= '0' && c <= '9';
      value = value * 10 + (c - '0');
    }
    return ok ? value : 0;
  }
  void literal(std::string_view text) {
    ok = ok && left_.starts_with(text);
    if (ok) left_.remove_prefix(text.size());
  }
  bool maybe(std::string_view text) {
    if (!ok || !left_.starts_with(text)) return false;
    left_.remove_prefix(text.size());
    return true;
  }
  bool atDigit() const { return !left_.empty() && left_[0] >= '0' && left_[0] <= '9'; }
  char next() {
    if (!ok || left_.empty()) return ok = false, '\0';
    const char c = left_[0];
    left_.remove_prefix(1);
    return c;
  }
  std::string_view rest() const { return left_; }

 private:
  std::string_view left_;
};

int64_t daysBefore(int year, int month) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const auto leapsThrough = [](int y) { return y / 4 - y / 100 + y / 400; };
  const int leaps = leapsThrough(year - 1) - leapsThrough(1969);
  int64_t days = int64_t{365} * (year - 1970) + leaps;
  for (int m = 1; m < month; ++m) days += kDays[m - 1];
  if (month > 2) days += leapsThrough(year) - leapsThrough(year - 1);
  return days;
}

int64_t takeZone(Cursor& in) {
  if (in.maybe("Z")) return 0;
  const int sign = in.maybe("+") ? 1 : -1;
  if (sign < 0) in.literal("-");
  const int hours = in.number(2);
  in.literal(":");
  const int minutes = in.number(2);
  in.ok = in.ok && hours < 24 && minutes < 60;
  return sign * (hours * 3600 + minutes * 60);
}

int64_t takeTime(Cursor& in) {
  const int year = in.number(4);
  in.literal("-");
  const int month = in.number(2);
  in.literal("-");
  const int day = in.number(2);
  in.literal("T");
  const int hour = in.number(2);
  in.literal(":");
  const int minute = in.number(2);
  in.literal(":");
  const int second = in.number(2);
  in.ok = in.ok && year >= 1970 && year <= 2261 && month >= 1 && month <= 12 && day >= 1 &&
          hour < 24 && minute < 60 && second <= 60;
  if (!in.ok) return 0;
  const int nextYear = month == 12 ? year + 1 : year;
  in.ok = day <= daysBefore(nextYear, month % 12 + 1) - daysBefore(year, month);
  int64_t nanos = 0;
  if (in.maybe(".")) {
    in.ok = in.ok && in.atDigit();
    for (int64_t scale = 100'000'000; in.atDigit(); scale /= 10) nanos += in.number(1) * scale;
  }
  const int64_t zone = takeZone(in);
  const int64_t seconds =
      (daysBefore(year, month) + day - 1) * 86400 + hour * 3600 + minute * 60 + second - zone;
  in.ok = in.ok && seconds >= 0;
  return seconds * 1'000'000'000 + nanos;
}

std::optional<Line> parseSlowly(std::string_view text) {
  Cursor in(text);
  Line line;
  line.timeNanos = takeTime(in);
  line.isStderr = in.maybe(" stderr ");
  if (!line.isStderr) in.literal(" stdout ");
  line.partial = in.maybe("P");
  if (!line.partial) in.literal("F");
  if (!in.ok) return std::nullopt;
  std::string_view rest = in.rest();
  if (!rest.empty() && rest[0] != ' ' && rest[0] != ':') return std::nullopt;
  const size_t space = rest.find(' ');
  if (space != std::string_view::npos) line.message = rest.substr(space + 1);
  return line;
}

struct Made {
  int64_t timeNanos = 0;
  uint64_t offset = 0;
  unsigned flags = 0;
  std::string message;
  bool operator==(const Made&) const = default;
};

// Joins the lines one at a time, by the book.
class Reference {
 public:
  explicit Reference(size_t maxLine) : maxLine_(maxLine) {}
  std::vector<Made> made;
  uint64_t recordBytes = 0;
  uint64_t droppedBytes = 0;

  void line(std::string_view text, uint64_t offset, bool unfinished) {
    const uint64_t raw = text.size() + (unfinished ? 0 : 1);
    const unsigned torn = unfinished ? unsigned{event::kRecordIncomplete} : 0;
    const auto parsed = parseSlowly(text);
    if (text.empty()) {
      droppedBytes += raw;
    } else if (!parsed) {
      whole({kObserved, offset, event::kRecordMalformed | torn, std::string(text)}, text.size(),
            raw);
    } else {
      channel(*parsed, text.size(), offset, raw, torn);
    }
  }
  void end() {
    for (Channel& c : channels_) {
      if (!c.isOpen) continue;
      c.record.flags |= event::kRecordIncomplete;
      recordBytes += c.bytes;
      made.push_back(c.record);
    }
  }
  uint64_t openBytes() const { return channels_[0].bytes + channels_[1].bytes; }

 private:
  struct Channel {
    bool isOpen = false;
    bool isCut = false;
    Made record;
    uint64_t bytes = 0;
  };

  // A line that is a record by itself; what of its message is too much is a drop.
  void whole(Made record, size_t lineSize, uint64_t raw) {
    const size_t over = record.message.size() - std::min(maxLine_, record.message.size());
    if (over > 0) {
      record.flags |= event::kRecordTruncated;
      record.message.resize(maxLine_);
    }
    const uint64_t kept = over > 0 ? lineSize - over : raw;
    recordBytes += kept;
    droppedBytes += raw - kept;
    made.push_back(std::move(record));
  }

  void channel(const Line& line, size_t lineSize, uint64_t offset, uint64_t raw, unsigned torn) {
    Channel& c = channels_[line.isStderr ? 1 : 0];
    const unsigned flags = line.isStderr ? unsigned{event::kRecordStderr} : 0;
    if (c.isCut) {
      droppedBytes += raw;
      c.isCut = line.partial;
      return;
    }
    if (!c.isOpen && (!line.partial || line.message.size() > maxLine_)) {
      whole({line.timeNanos, offset, flags | torn, line.message}, lineSize, raw);
      c.isCut = line.partial;
      return;
    }
    if (!c.isOpen) c = {true, false, {line.timeNanos, offset, flags, ""}, 0};
    const bool over = c.record.message.size() + line.message.size() > maxLine_;
    c.record.message += line.message;
    c.bytes += raw;
    if (line.partial && !over) return;
    if (over) c.record.message.resize(maxLine_);
    c.record.flags |= torn | (over ? unsigned{event::kRecordTruncated} : 0);
    recordBytes += c.bytes;
    made.push_back(c.record);
    c = {};
    c.isCut = line.partial;
  }

  const size_t maxLine_;
  Channel channels_[2];
};

// --- the product --------------------------------------------------------------------------------

// As a StreamTailer drives it: pieces end where they end, units when they are full.
class Product {
 public:
  Product(size_t maxLine, bool smallUnits, event::UnitWriter& writer, event::UnitReader& reader)
      : smallUnits_(smallUnits),
        writer_(writer),
        reader_(reader),
        assembler_(maxLine, budget_, cache_, counts_) {
    begin(0);
  }
  std::vector<Made> made;
  uint64_t recordBytes = 0;
  uint64_t droppedBytes = 0;

  void file(std::string_view bytes, size_t piece) {
    uint64_t at = 0;
    for (size_t seen = 0; seen < bytes.size();) {
      seen = piece == 0 ? bytes.size() : std::min(bytes.size(), seen + piece);
      // Exactly the bytes it may read, so that a sanitizer sees a read beyond them.
      const auto slab = std::make_unique<char[]>(seen - at);
      std::memcpy(slab.get(), bytes.data() + at, seen - at);
      at += slice({slab.get(), seen - at}, at);
    }
    if (at < bytes.size()) rest(bytes.substr(at), at);
    while (!assembler_.finish(kGeneration, writer_)) turn(bytes.size());
    LOGTAIL_ASSERT(!assembler_.anyOpen());
    turn(bytes.size());
    writer_.discard();
  }

 private:
  // How much of it was consumed: all but what follows its last newline.
  uint64_t slice(std::string_view bytes, uint64_t offset) {
    uint64_t done = 0;
    for (;;) {
      const auto consumed =
          assembler_.consume(bytes.substr(done), kGeneration, offset + done, kObserved, writer_);
      done += consumed.bytes;
      LOGTAIL_ASSERT(done <= bytes.size());
      if (consumed.stop == agent::RecordAssembler::Stop::kNeedMore) break;
      turn(offset + done);
    }
    const size_t lastNewline = bytes.rfind('\n');
    LOGTAIL_ASSERT(done == (lastNewline == std::string_view::npos ? 0 : lastNewline + 1));
    return done;
  }
  void rest(std::string_view text, uint64_t at) {
    const agent::PhysicalLine line{text, at, text.size(), true};
    while (!assembler_.consumeLine(line, kGeneration, kObserved, writer_)) turn(at);
  }

  void begin(uint64_t at) {
    event::BlockHeader start;
    start.generation = kGeneration;
    start.from = at;
    start.observedNanos = kObserved;
    from_ = at;
    openBefore_ = openBytes();
    writer_.beginBlock(start);
    static const std::string filler(event::kMaxUnitRaw - 1024, 'x');
    if (smallUnits_) writer_.add(kObserved, at, 0, filler, 0);
  }
  uint64_t openBytes() const {
    const auto states = assembler_.states();
    return states[0].openBytes + states[1].openBytes;
  }
  // Ends the unit at `at`, checks the block's law and takes its records out again.
  void turn(uint64_t at) {
    const event::BlockHeader header = writer_.endBlock(at, assembler_.states(), 1, 0);
    LOGTAIL_ASSERT(openBefore_ + (at - from_) ==
                   header.recordBytes + header.dropBytes() + header.lostBytes + openBytes());
    recordBytes += header.recordBytes;
    droppedBytes += header.dropBytes();
    writer_.seal(unit_);
    const auto view = event::UnitView::parse(unit_);
    LOGTAIL_ASSERT(view.ok() && reader_.open(*view).ok());
    std::vector<event::Record> records;
    LOGTAIL_ASSERT(reader_.readBlock(0, records).ok() && records.size() == header.records);
    if (smallUnits_) records.erase(records.begin());
    for (const event::Record& r : records) {
      made.push_back({r.timeNanos, r.offset, r.flags, std::string(r.message)});
    }
    begin(at);
  }

  base::MemoryBudget budget_{uint64_t{1} << 30};
  parsers::CriTimeCache cache_;
  const bool smallUnits_;
  event::UnitWriter& writer_;
  event::UnitReader& reader_;
  agent::AssemblerCounts counts_;
  agent::RecordAssembler assembler_;
  std::string unit_;
  uint64_t from_ = 0;
  uint64_t openBefore_ = 0;
};

void checkLine(std::string_view text, parsers::CriTimeCache& cache) {
  const auto copy = std::make_unique<char[]>(text.size());
  text.copy(copy.get(), text.size());
  parsers::CriLine line;
  const auto result = parsers::parseCri({copy.get(), text.size()}, cache, line);
  const auto expected = parseSlowly(text);
  LOGTAIL_ASSERT((result == parsers::CriResult::kOk) == expected.has_value());
  if (!expected) return;
  LOGTAIL_ASSERT(line.timeNanos == expected->timeNanos);
  LOGTAIL_ASSERT(line.isStderr == expected->isStderr && line.partial == expected->partial);
  LOGTAIL_ASSERT(line.messageAt <= text.size());
  LOGTAIL_ASSERT(text.substr(line.messageAt) == expected->message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static constexpr size_t kLimits[] = {1, 16, 100, 64 * 1024};
  if (size < 2) return 0;
  const bool smallUnits = (data[1] & 0x80) != 0;
  const size_t maxLine = std::min<size_t>(kLimits[data[1] & 3], smallUnits ? 100 : SIZE_MAX);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);

  Reference reference(maxLine);
  parsers::CriTimeCache cache;
  for (size_t at = 0; at < bytes.size();) {
    const size_t newline = bytes.find('\n', at);
    const size_t end = std::min(newline, bytes.size());
    const std::string_view text = bytes.substr(at, end - at);
    checkLine(text, cache);
    reference.line(text, at, newline == std::string::npos);
    at = end + 1;
  }
  reference.end();
  LOGTAIL_ASSERT(reference.recordBytes + reference.droppedBytes == bytes.size());

  static event::UnitWriter writer(1);  // the buffers of both are large
  static event::UnitReader reader;
  Product product(maxLine, smallUnits, writer, reader);
  product.file(bytes, data[0]);
  LOGTAIL_ASSERT(product.made == reference.made);
  LOGTAIL_ASSERT(product.recordBytes == reference.recordBytes);
  LOGTAIL_ASSERT(product.droppedBytes == reference.droppedBytes);
  return 0;
}
