#include "agent/spool_file.h"

#include <algorithm>
#include <cstring>

#include "common/base/checksum.h"
#include "common/base/coding.h"

namespace logtail::agent {
namespace {

constexpr std::string_view kMagic = "LTSPOOL\n";
constexpr size_t kPrefixBytes = 20;
constexpr size_t kCrc = sizeof(uint32_t);
constexpr size_t kStoredChunk = kSpoolChunk + kCrc;
constexpr size_t kMaxHeader = event::kMaxStreamDescription + 1024;
constexpr uint32_t kSourceDamaged = 1u << 0;

struct Prefix {
  uint32_t version = 0;
  uint32_t headerBytes = 0;
};

base::Error damagedHeader(const std::string& path) {
  return {base::Errc::kQuarantine, path + ": damaged spool header"};
}

base::Result<Prefix> readPrefix(base::File& file, const std::string& path) {
  char bytes[kPrefixBytes];
  const auto got = file.readAt(0, bytes);
  if (!got.ok()) return got.error();
  if (*got < kPrefixBytes) return damagedHeader(path);
  base::Decoder in({bytes, kPrefixBytes});
  const bool magic = in.raw(kMagic.size()) == kMagic;
  const Prefix prefix{in.fixed<uint32_t>(), in.fixed<uint32_t>()};
  const bool whole = in.fixed<uint32_t>() == base::crc32c({bytes, kPrefixBytes - kCrc});
  // Only a checked version is one: a flipped bit must not look like a newer format.
  if (!magic || !whole) return damagedHeader(path);
  if (prefix.version > kSpoolVersion) {
    return base::Error{base::Errc::kTooNew, path + ": spool version " +
                                                std::to_string(prefix.version) + ", this is " +
                                                std::to_string(kSpoolVersion)};
  }
  if (prefix.headerBytes > kMaxHeader || prefix.headerBytes < kCrc) return damagedHeader(path);
  return prefix;
}

struct OpenSpool {
  std::unique_ptr<base::File> file;
  SpoolHeader header;
  uint64_t dataAt = 0;
};

bool decodeHeader(std::string_view bytes, SpoolHeader& out) {
  base::Decoder in(bytes.substr(0, bytes.size() - kCrc));
  event::StreamKey key;
  key.hash.low = in.fixed<uint64_t>();
  key.hash.high = in.fixed<uint64_t>();
  out.generation.fingerprint = in.fixed<uint64_t>();
  out.generation.epoch = in.fixed<uint32_t>();
  out.ordinal = in.fixed<uint32_t>();
  out.from = in.fixed<uint64_t>();
  out.first = in.fixed<uint64_t>();
  out.to = in.fixed<uint64_t>();
  out.rotatedNanos = in.fixed<int64_t>();
  out.sourceDamaged = (in.fixed<uint32_t>() & kSourceDamaged) != 0;
  auto description = event::decodeStreamDescription(in.raw(in.fixed<uint32_t>()));
  if (!in.ok() || !description.ok()) return false;
  out.description = std::move(*description);
  const bool whole = base::loadFixed<uint32_t>(bytes.data() + bytes.size() - kCrc) ==
                     base::crc32c(bytes.substr(0, bytes.size() - kCrc));
  return whole && out.description.key() == key && out.first <= out.from && out.from < out.to;
}

base::Result<OpenSpool> openAndDecode(base::FileSystem& files, const std::string& path) {
  auto file = files.open(path, base::OpenMode::kRead);
  if (!file.ok()) return file.error();
  const auto prefix = readPrefix(**file, path);
  if (!prefix.ok()) return prefix.error();
  std::string bytes(prefix->headerBytes, '\0');
  const auto got = (*file)->readAt(kPrefixBytes, bytes);
  if (!got.ok()) return got.error();
  OpenSpool spool;
  if (*got < bytes.size() || !decodeHeader(bytes, spool.header)) return damagedHeader(path);
  spool.file = std::move(*file);
  spool.dataAt = kPrefixBytes + bytes.size();
  return spool;
}

class SpooledLogFile final : public LogFile {
 public:
  SpooledLogFile(OpenSpool spool, std::string path)
      : LogFile(0), spool_(std::move(spool)), path_(std::move(path)) {}

  base::Result<size_t> readAt(uint64_t offset, std::span<char> into) override {
    const SpoolHeader& header = spool_.header;
    if (offset < header.first) {
      return base::Error{base::Errc::kNotFound, path_ + ": starts behind this byte"};
    }
    size_t done = 0;
    while (done < into.size() && offset + done < header.to) {
      const uint64_t at = offset + done - header.first;
      if (const auto status = loadChunk(at / kSpoolChunk); !status.ok()) {
        if (status.code() == base::Errc::kQuarantine && done > 0) return done;
        return status.error();
      }
      const size_t skip = at % kSpoolChunk;
      const size_t take = std::min(into.size() - done, chunk_.size() - kCrc - skip);
      std::memcpy(into.data() + done, chunk_.data() + skip, take);
      done += take;
    }
    if (done == 0 && !into.empty() && header.sourceDamaged) {
      return base::Error{base::Errc::kQuarantine, path_ + ": copied from a damaged file"};
    }
    return done;
  }

  std::optional<uint64_t> size() const override { return spool_.header.to; }
  bool damaged() const override { return damaged_ || spool_.header.sourceDamaged; }
  uint64_t diskBytes() const override { return spoolFileBytes(spool_.header); }
  uint64_t firstOffset() const override { return spool_.header.first; }
  std::optional<uint64_t> storedFingerprint() const override {
    return spool_.header.generation.fingerprint;
  }

 private:
  base::Status loadChunk(uint64_t number) {
    if (loaded_ == number) return {};
    loaded_.reset();
    const uint64_t bytes = spool_.header.to - spool_.header.first;
    chunk_.resize(std::min<uint64_t>(kSpoolChunk, bytes - number * kSpoolChunk) + kCrc);
    const auto got = spool_.file->readAt(spool_.dataAt + number * kStoredChunk, chunk_);
    if (!got.ok()) return got.error();
    const std::string_view data(chunk_.data(), chunk_.size() - kCrc);
    if (*got < chunk_.size() || base::loadFixed<uint32_t>(data.data() + data.size()) !=
                                    base::crc32c(data, static_cast<uint32_t>(number))) {
      damaged_ = true;
      return {base::Errc::kQuarantine, path_ + ": chunk " + std::to_string(number) + " is damaged"};
    }
    loaded_ = number;
    return {};
  }

  const OpenSpool spool_;
  const std::string path_;
  std::string chunk_;  // the checked chunk `loaded_` and its CRC
  std::optional<uint64_t> loaded_;
  bool damaged_ = false;
};

// Fills `chunk` from `offset`; fewer at the end of the source, and at damage, which is noted.
base::Result<size_t> readChunk(LogFile& source, uint64_t offset, std::span<char> chunk,
                               bool& damaged) {
  size_t done = 0;
  while (done < chunk.size()) {
    const auto got = source.readAt(offset + done, chunk.subspan(done));
    if (!got.ok() && got.code() == base::Errc::kQuarantine) {
      damaged = true;
      break;
    }
    if (!got.ok()) return got.error();
    if (*got == 0) break;
    done += *got;
  }
  return done;
}

}  // namespace

std::string encodeSpoolHeader(const SpoolHeader& header) {
  std::string body;
  const event::StreamKey key = header.description.key();
  base::putFixed(body, key.hash.low);
  base::putFixed(body, key.hash.high);
  base::putFixed(body, header.generation.fingerprint);
  base::putFixed(body, header.generation.epoch);
  base::putFixed(body, header.ordinal);
  base::putFixed(body, header.from);
  base::putFixed(body, header.first);
  base::putFixed(body, header.to);
  base::putFixed(body, header.rotatedNanos);
  base::putFixed(body, header.sourceDamaged ? kSourceDamaged : uint32_t{0});
  std::string description;
  event::encode(header.description, description);
  base::putFixed(body, static_cast<uint32_t>(description.size()));
  body += description;
  base::putFixed(body, base::crc32c(body));

  std::string out(kMagic);
  base::putFixed(out, kSpoolVersion);
  base::putFixed(out, static_cast<uint32_t>(body.size()));
  base::putFixed(out, base::crc32c(out));
  return out + body;
}

uint64_t spoolFileBytes(const SpoolHeader& header) {
  const uint64_t bytes = header.to - header.first;
  const uint64_t chunks = (bytes + kSpoolChunk - 1) / kSpoolChunk;
  return encodeSpoolHeader(header).size() + bytes + chunks * kCrc;
}

base::Status writeSpoolFile(base::FileSystem& files, const std::string& path, LogFile& source,
                            SpoolHeader& header) {
  auto file = files.open(path, base::OpenMode::kCreate);
  if (!file.ok()) return file.error();
  LOGTAIL_TRY((*file)->truncate(0));
  header.first = header.from - std::min<uint64_t>(header.from, event::kTailBytes);
  header.first = std::max(header.first, source.firstOffset());
  header.to = header.first;
  header.sourceDamaged = false;
  const uint64_t dataAt =
      encodeSpoolHeader(header).size();  // of any values: they are of fixed size
  std::string chunk(kSpoolChunk, '\0');
  for (uint32_t number = 0;; ++number) {
    const auto got = readChunk(source, header.to, chunk, header.sourceDamaged);
    if (!got.ok()) return got.error();
    const std::string_view data(chunk.data(), *got);
    std::string crc;
    base::putFixed(crc, base::crc32c(data, number));
    const std::string_view parts[] = {data, crc};
    if (*got > 0) LOGTAIL_TRY((*file)->writeAt(dataAt + number * uint64_t{kStoredChunk}, parts));
    header.to += *got;
    if (*got < chunk.size()) break;
  }
  if (header.to <= header.from) {
    return {base::Errc::kNotFound,
            path + ": nothing to copy behind byte " + std::to_string(header.from)};
  }
  LOGTAIL_TRY((*file)->write(0, encodeSpoolHeader(header)));
  return (*file)->syncData();
}

base::Result<SpoolHeader> readSpoolHeader(base::FileSystem& files, const std::string& path) {
  auto spool = openAndDecode(files, path);
  if (!spool.ok()) return spool.error();
  return std::move(spool->header);
}

base::Result<std::unique_ptr<LogFile>> openSpoolFile(base::FileSystem& files,
                                                     const std::string& path) {
  auto spool = openAndDecode(files, path);
  if (!spool.ok()) return spool.error();
  return std::unique_ptr<LogFile>(std::make_unique<SpooledLogFile>(std::move(*spool), path));
}

}  // namespace logtail::agent
