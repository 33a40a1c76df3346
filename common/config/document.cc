// YAML into Nodes, by yaml-cpp's events: limits are checked while reading, before anything is built
// on what was read. yaml-cpp throws; nothing it throws leaves this file.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <sstream>

#include "common/config/node.h"

namespace logtail::config {
namespace {

struct Refused : std::exception {
  explicit Refused(base::Error e) : error(std::move(e)) {}
  base::Error error;
};

// Builds the tree. A frame of the stack is a list or map that is still open.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const std::string& fileName) : fileName_(fileName) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) refuse(mark, "---", "one document a file");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    open(mark, "", anchor, Node::Kind::kNull);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "*", "the value itself: anchors and aliases are not read");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Frame* frame = stack_.empty() ? nullptr : &stack_.back();
    if (frame != nullptr && frame->node.kind == Node::Kind::kMap && !frame->hasKey) {
      takeKey(*frame, mark, value);
      return;
    }
    Node& node = open(mark, tag, anchor, Node::Kind::kScalar);
    node.text = value;
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    push(mark, tag, anchor, Node::Kind::kList);
  }
  void OnSequenceEnd() override { pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    push(mark, tag, anchor, Node::Kind::kMap);
  }
  void OnMapEnd() override { pop(); }

  Node takeRoot() { return std::move(root_); }

 private:
  struct Frame {
    Node node;
    std::string key;  // waiting for its value
    int keyLine = 0;
    bool hasKey = false;
  };

  [[noreturn]] void refuse(const YAML::Mark& mark, std::string_view value, const char* expected) {
    throw Refused(configError(fileName_, std::max(mark.line, 0) + 1, path(), value, expected));
  }

  std::string path() const {
    std::string text;
    for (const Frame& frame : stack_) {
      if (frame.hasKey) {
        text = joinPath(text, frame.key);
      } else if (frame.node.kind == Node::Kind::kList) {
        text += "[" + std::to_string(frame.node.children.size()) + "]";
      }
    }
    return text;
  }

  void takeKey(Frame& frame, const YAML::Mark& mark, const std::string& value) {
    constexpr size_t kMaxKey = 256;
    constexpr size_t kMaxEntries = 1000;  // the search below is linear
    if (value.empty() || value.size() > kMaxKey) refuse(mark, value, "a key of 1 to 256 bytes");
    if (frame.node.children.size() >= kMaxEntries)
      refuse(mark, value, "at most 1000 keys in a map");
    for (const Node& child : frame.node.children) {
      if (child.key == value) refuse(mark, value, "a key once in its map");
    }
    frame.key = value;
    frame.keyLine = mark.line + 1;
    frame.hasKey = true;
  }

  Node makeNode(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                Node::Kind kind) {
    if (anchor != 0) refuse(mark, "&", "the value itself: anchors and aliases are not read");
    if (tag.size() > 1) refuse(mark, tag, "a value without a tag");
    if (++nodes_ > kMaxNodes) refuse(mark, "", "at most 100000 values in a file");
    Node node;
    node.kind = kind;
    node.line = mark.line + 1;
    return node;
  }

  // Puts the finished value where it belongs and returns it.
  Node& attach(Node node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return root_;
    }
    Frame& parent = stack_.back();
    if (parent.node.kind == Node::Kind::kMap) {
      node.key = std::move(parent.key);
      node.keyLine = parent.keyLine;
      parent.hasKey = false;
    }
    parent.node.children.push_back(std::move(node));
    return parent.node.children.back();
  }

  Node& open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
             Node::Kind kind) {
    if (!stack_.empty() && stack_.back().node.kind == Node::Kind::kMap && !stack_.back().hasKey) {
      refuse(mark, "", "a key that is a word");
    }
    return attach(makeNode(mark, tag, anchor, kind));
  }

  void push(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            Node::Kind kind) {
    if (stack_.size() >= kMaxDepth) refuse(mark, "", "at most 24 levels of nesting");
    if (!stack_.empty() && stack_.back().node.kind == Node::Kind::kMap && !stack_.back().hasKey) {
      refuse(mark, "", "a key that is a word");
    }
    stack_.push_back({makeNode(mark, tag, anchor, kind), {}, 0, false});
  }

  void pop() {
    Node node = std::move(stack_.back().node);
    stack_.pop_back();
    attach(std::move(node));
  }

  const std::string& fileName_;
  std::vector<Frame> stack_;
  Node root_;
  int documents_ = 0;
  int nodes_ = 0;
};

bool isNameByte(char c, bool first) {
  return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (!first && c >= '0' && c <= '9');
}

// Replaces the variables of one scalar; on failure `expected` says what is wrong.
bool substitute(std::string& text, const Environment& environment, size_t& room,
                std::string& expected) {
  if (text.find("${") == std::string::npos) return true;
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    const size_t start = text.find("${", at);
    if (start == std::string::npos) break;
    if (start > at && text[start - 1] == '$') {
      out.append(text, at, start - at - 1).append("${");
      at = start + 2;
      continue;
    }
    out.append(text, at, start - at);
    const size_t end = text.find('}', start);
    size_t nameEnd = start + 2;
    while (nameEnd < text.size() && isNameByte(text[nameEnd], nameEnd == start + 2)) ++nameEnd;
    const bool hasDefault = text.compare(nameEnd, 2, ":-") == 0;
    if (end == std::string::npos || nameEnd == start + 2 || (nameEnd != end && !hasDefault)) {
      expected = "${NAME} or ${NAME:-default}; $${ stands for ${ itself";
      return false;
    }
    const std::string name = text.substr(start + 2, nameEnd - start - 2);
    std::optional<std::string> value = environment(name);
    if (hasDefault && (!value || value->empty()))
      value = text.substr(nameEnd + 2, end - nameEnd - 2);
    if (!value) {
      expected = "the environment variable " + name + " to be set";
      return false;
    }
    if (value->size() > room) {
      expected = "at most 1MiB of values from the environment";
      return false;
    }
    room -= value->size();
    out += *value;
    at = end + 1;
  }
  out.append(text, at, std::string::npos);
  text = std::move(out);
  return true;
}

base::Status substituteAll(Node& node, const std::string& path, const std::string& fileName,
                           const Environment& environment, size_t& room) {
  std::string expected;
  const std::string written = node.text;
  if (!substitute(node.text, environment, room, expected)) {
    return configError(fileName, node.line, path, written, expected);
  }
  for (size_t i = 0; i < node.children.size(); ++i) {
    Node& child = node.children[i];
    const std::string childPath = node.kind == Node::Kind::kMap
                                      ? joinPath(path, child.key)
                                      : path + "[" + std::to_string(i) + "]";
    LOGTAIL_TRY(substituteAll(child, childPath, fileName, environment, room));
  }
  return {};
}

}  // namespace

base::Result<Node> parseDocument(std::string_view yaml, const std::string& fileName,
                                 const Environment& environment) {
  if (yaml.size() > kMaxFileSize.count) {
    return configError(fileName, 1, "", std::to_string(yaml.size()) + " bytes",
                       "a file of at most " + base::formatBytes(kMaxFileSize));
  }
  Node root;
  try {
    std::istringstream stream{std::string(yaml)};
    YAML::Parser parser(stream);
    TreeBuilder builder(fileName);
    while (parser.HandleNextDocument(builder)) {
    }
    root = builder.takeRoot();
  } catch (const Refused& refused) {
    return refused.error;
  } catch (const YAML::Exception& e) {
    return configError(fileName, std::max(e.mark.line, 0) + 1, "", "", "YAML; " + e.msg);
  } catch (const std::exception& e) {
    return configError(fileName, 1, "", "", std::string("YAML; ") + e.what());
  }
  size_t room = kMaxFileSize.count;
  LOGTAIL_TRY(substituteAll(root, "", fileName, environment, room));
  return root;
}

const Node* Node::find(std::string_view name) const {
  for (const Node& child : children) {
    if (child.key == name) return &child;
  }
  return nullptr;
}

Environment processEnvironment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

namespace {

constexpr size_t kShown = 80;  // bytes of a value that an error repeats

std::string printable(std::string_view bytes, size_t limit) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (const char c : bytes.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      text.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    } else {
      text += c;
    }
  }
  if (bytes.size() > limit) text += "...";
  return text;
}

}  // namespace

base::Error configError(const std::string& fileName, int line, const std::string& path,
                        std::string_view value, const std::string& expected,
                        std::string_view remark) {
  std::string text = fileName + ":" + std::to_string(line) + ": ";
  if (!path.empty()) text += printable(path, path.size()) + ": ";
  text += "value \"" + printable(value, kShown) + "\"";
  if (!remark.empty()) text.append(" (").append(remark).append(")");
  text += ": expected ";
  return {base::Errc::kFixInput, text + printable(expected, expected.size())};
}

std::string joinPath(const std::string& path, std::string_view name) {
  std::string joined = path;
  if (!joined.empty()) joined += '.';
  return joined.append(name);
}

}  // namespace logtail::config
