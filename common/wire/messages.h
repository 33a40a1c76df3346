#pragma once
// What agent and aggregator say to each other: one struct a message, plain data.
//
// encode() appends a whole message, header and CRC included. decode…() takes a payload whose CRC
// MessageReader has checked; kFixInput when it is malformed or beyond a limit. Bytes behind the
// known fields are ignored, so that version N understands N+1. Limits: docs/wire-format.md.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/event/resume.h"
#include "common/event/stream.h"
#include "common/wire/message.h"

namespace logtail::wire {

inline constexpr size_t kMaxName = 1024;        // cluster, node, agent version
inline constexpr size_t kMaxToken = 16 * 1024;  // a ServiceAccount token
inline constexpr size_t kMaxErrorText = 4096;
inline constexpr size_t kMaxStatsStreams = 8192;  // of one STATS message

struct Hello {
  uint16_t minVersion = kMinVersion;
  uint16_t maxVersion = kMaxVersion;
  uint64_t life = 0;          // of the agent's data path; random, never 0
  uint64_t nextSequence = 1;  // the first frame it will (re)send
  std::string cluster;
  std::string node;
  std::string agentVersion;
  std::string token;
  bool fresh = false;  // no local state
  bool operator==(const Hello&) const = default;
};

struct HelloOk {
  uint16_t version = kMaxVersion;
  uint64_t queueId = 0;
  uint32_t epoch = 0;
  bool knownNode = false;                // the ledger has a stream of this node
  uint64_t ackedSequence = 0;            // the last durable frame of HELLO's life; 0: none
  uint32_t windowBytes = 0;              // of FRAME messages that may wait for their ACK
  uint32_t maxFrameBytes = kMaxPayload;  // of a FRAME's payload, at least kMinMaxFrameBytes
  bool operator==(const HelloOk&) const = default;
};

enum class ErrorCode : uint8_t {
  kVersion = 1,
  kNotAuthorised = 2,
  kMalformed = 3,
  kUnknownType = 4,
  kFenced = 5,  // a newer life of this node is connected
  kShuttingDown = 6,
  kOverLimit = 7,
};
const char* name(ErrorCode code);  // "unknown" for codes of newer peers

struct ErrorMessage {
  ErrorCode code = ErrorCode::kMalformed;
  std::string text;
  bool operator==(const ErrorMessage&) const = default;
};

struct StreamCheckpoint {
  uint64_t queueId = 0;  // that acknowledged it
  event::Resume resume;
  bool operator==(const StreamCheckpoint&) const = default;
};

struct StreamOpen {
  event::StreamKey key;
  std::string description;  // encoded event::StreamDescription
  std::optional<StreamCheckpoint> checkpoint;
  bool operator==(const StreamOpen&) const = default;
};

enum class StreamStatus : uint8_t {
  kNew = 0,
  kKnown = 1,
  kForbidden = 2,
  kLostAfterAck = 3,
  kMoved = 4,
  kEnded = 5,  // answers STREAM_END: the end is durable
};
const char* name(StreamStatus status);

struct StreamOk {
  event::StreamKey key;
  StreamStatus status = StreamStatus::kNew;
  event::Resume resume;
  bool operator==(const StreamOk&) const = default;
};

struct StreamEnd {
  event::StreamKey key;
  bool operator==(const StreamEnd&) const = default;
};

struct RefusedBlock {
  uint64_t sequence = 0;  // of the frame
  uint64_t block = 0;     // counted over the frame's units, from 0
  bool operator==(const RefusedBlock&) const = default;
};

struct Ack {
  uint64_t sequence = 0;  // cumulative: this frame and all before it are durable
  uint64_t queueId = 0;
  std::vector<RefusedBlock> forbidden;
  bool operator==(const Ack&) const = default;
};

enum class NackReason : uint8_t {
  kDamaged = 1,
  kQueueFull = 2,
  kOverlap = 3,
  kUnknownStream = 4,
  kNotReady = 5,
};
inline constexpr size_t kNackReasons = 6;  // indexed by value; 0 is unused
const char* name(NackReason reason);

struct Nack {
  uint64_t sequence = 0;  // from here on everything was discarded
  NackReason reason = NackReason::kDamaged;
  uint32_t retryAfterMs = 0;
  struct Where {
    event::StreamKey key;
    event::Resume resume;
    bool operator==(const Where&) const = default;
  };
  std::optional<Where> where;  // with kOverlap
  bool operator==(const Nack&) const = default;
};

struct StreamStats {
  event::StreamKey key;
  uint64_t readBytes = 0;    // at the read call, for the first time
  uint64_t rereadBytes = 0;  // read again after a start
  uint64_t sealedBytes = 0;  // at the seal of each block
  uint64_t sealedRecords = 0;
  uint64_t sealedDigest = 0;
  uint64_t knownBytes = 0;  // of the stream's files, beyond what is sealed
  bool operator==(const StreamStats&) const = default;
};

// An agent's own counts since its life began. With more than kMaxStatsStreams streams several
// messages carry them; `final` is set on the last one of a life only.
struct Stats {
  bool final = false;
  int64_t timeNanos = 0;
  std::vector<StreamStats> streams;
  uint64_t pendingBytes = 0;  // sealed, not acknowledged; of the whole agent
  bool operator==(const Stats&) const = default;
};

struct Ping {
  uint64_t token = 0;
  bool operator==(const Ping&) const = default;
};
struct Pong {
  uint64_t token = 0;
  bool operator==(const Pong&) const = default;
};

void encode(const Hello& message, std::string& out);
void encode(const HelloOk& message, std::string& out);
void encode(const ErrorMessage& message, std::string& out);
void encode(const StreamOpen& message, std::string& out);
void encode(const StreamOk& message, std::string& out);
void encode(const StreamEnd& message, std::string& out);
void encode(const Ack& message, std::string& out);
void encode(const Nack& message, std::string& out);
void encode(const Stats& message, std::string& out);
void encode(const Ping& message, std::string& out);
void encode(const Pong& message, std::string& out);

base::Result<Hello> decodeHello(std::string_view payload);
base::Result<HelloOk> decodeHelloOk(std::string_view payload);
base::Result<ErrorMessage> decodeError(std::string_view payload);
base::Result<StreamOpen> decodeStream(std::string_view payload);
base::Result<StreamOk> decodeStreamOk(std::string_view payload);
base::Result<StreamEnd> decodeStreamEnd(std::string_view payload);
base::Result<Ack> decodeAck(std::string_view payload);
base::Result<Nack> decodeNack(std::string_view payload);
base::Result<Stats> decodeStats(std::string_view payload);
base::Result<Ping> decodePing(std::string_view payload);
base::Result<Pong> decodePong(std::string_view payload);

// STATS' body alone ("STATS body" in the format): what the queue keeps of it.
void encodeStatsBody(const Stats& stats, std::string& out);
base::Result<Stats> decodeStatsBody(std::string_view body);

}  // namespace logtail::wire
