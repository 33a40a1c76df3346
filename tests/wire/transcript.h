#pragma once
// Reads a stream of bytes in pieces of any size and writes down what each message said; re-encodes
// it to compare by value.

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "common/wire/message_reader.h"
#include "common/wire/messages.h"
#include "tests/wire/samples.h"

namespace logtail::wire {

struct Transcript {
  std::vector<std::string> messages;  // each encoded again from what was decoded
  std::string error;                  // what ended it, empty at the end of the bytes
  size_t unfinished = 0;              // bytes taken since the last whole message
};

// The message encoded again, or an empty string when it does not decode.
inline std::string reencoded(const MessageReader::Message& message) {
  const auto again = [](const auto& result) {
    return result.ok() ? encoded(*result) : std::string();
  };
  switch (message.type) {
    case MessageType::kHello:
      return again(decodeHello(message.payload));
    case MessageType::kHelloOk:
      return again(decodeHelloOk(message.payload));
    case MessageType::kError:
      return again(decodeError(message.payload));
    case MessageType::kStream:
      return again(decodeStream(message.payload));
    case MessageType::kStreamOk:
      return again(decodeStreamOk(message.payload));
    case MessageType::kStreamEnd:
      return again(decodeStreamEnd(message.payload));
    case MessageType::kAck:
      return again(decodeAck(message.payload));
    case MessageType::kNack:
      return again(decodeNack(message.payload));
    case MessageType::kStats:
      return again(decodeStats(message.payload));
    case MessageType::kPing:
      return again(decodePing(message.payload));
    case MessageType::kPong:
      return again(decodePong(message.payload));
    case MessageType::kFrame:
      break;
  }
  return {};
}

class TranscriptReader {
 public:
  void feed(std::string_view bytes, size_t step) {
    drain();
    while (!bytes.empty() && transcript_.error.empty()) {
      const auto buffers = reader_.buffers();
      size_t left = std::min(step, bytes.size());
      size_t taken = 0;
      for (const std::span<char>& buffer : buffers) {
        const size_t part = std::min(left - taken, buffer.size());
        if (part == 0) continue;  // an absent buffer is a null pointer
        std::memcpy(buffer.data(), bytes.data() + taken, part);
        taken += part;
      }
      reader_.commit(taken);
      transcript_.unfinished += taken;
      bytes.remove_prefix(taken);
      drain();
    }
  }
  const Transcript& transcript() const { return transcript_; }
  MessageReader& reader() { return reader_; }

 private:
  void drain() {
    while (transcript_.error.empty()) {
      auto step = reader_.next();
      if (!step.ok()) {
        transcript_.error = step.message();
        return;
      }
      if (*step == MessageReader::Step::kNeedMore) return;
      take(*step);
    }
  }

  void take(MessageReader::Step step) {
    if (step == MessageReader::Step::kFrame) {
      units_.assign(reader_.frame().bytes, '\0');
      reader_.receiveFrame(units_.data());
      return;
    }
    transcript_.unfinished = 0;
    if (step == MessageReader::Step::kFrameDone) {
      finishFrame();
      return;
    }
    std::string again = reencoded(reader_.message());
    if (again.empty()) transcript_.error = "malformed";
    transcript_.messages.push_back(std::move(again));
  }

  void finishFrame() {
    std::vector<event::UnitView> views;
    if (checkFrame(reader_.frame(), units_, views) != FrameCheck::kGood) {
      transcript_.error = "bad frame";
      return;
    }
    std::string again(kFramePrefixBytes, '\0');
    storeFramePrefix(reader_.frame(), again.data());
    transcript_.messages.push_back(again + units_);
  }

  MessageReader reader_;
  Transcript transcript_;
  std::string units_;
};

inline Transcript read(std::string_view bytes, size_t step = SIZE_MAX) {
  TranscriptReader reader;
  reader.feed(bytes, step);
  return reader.transcript();
}

}  // namespace logtail::wire
