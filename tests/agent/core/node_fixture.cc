#include "tests/agent/core/node_fixture.h"

#include <zlib.h>

#include <chrono>
#include <fstream>
#include <thread>

namespace logtail::agent::test {

namespace fs = std::filesystem;

std::string cri(const std::string& message, char tag, const char* stream) {
  return std::string("2026-12-02T12:00:00.123456789Z ") + stream + " " + tag + " " + message + "\n";
}

NodeFixture::NodeFixture() {
  fs::create_directories(root() + "/containers");
  options_.maxLine = 64 * 1024;
  options_.grace = std::chrono::milliseconds(50);
  options_.safetyScan = std::chrono::seconds(3600);
  // Off, but for tests that ask for it: how full this machine's disk is must not matter.
  options_.disk.limits = {1ULL << 40, 0};
  options_.disk.patience = base::Nanos::zero();
  options_.disk.interval = std::chrono::milliseconds(10);
}

NodeFixture::~NodeFixture() {
  stop();
  EXPECT_EQ(sink_.violations(), "");
}

std::string NodeFixture::podDir(const std::string& pod) const {
  return root() + "/pods/ns_" + pod + "_uid-" + pod + "/c";
}

std::string NodeFixture::log(const std::string& pod, int restart) const {
  return podDir(pod) + "/" + std::to_string(restart) + ".log";
}

std::string NodeFixture::link(const std::string& pod, int restart) const {
  return root() + "/containers/" + pod + "_ns_c-" + std::string(63, 'a') +
         static_cast<char>('0' + restart) + ".log";
}

void NodeFixture::createPod(const std::string& pod, int restart) {
  fs::create_directories(podDir(pod));
  append(log(pod, restart), "");
  fs::create_symlink(log(pod, restart), link(pod, restart));
}

void NodeFixture::removePod(const std::string& pod) {
  fs::remove(link(pod));
  fs::remove_all(root() + "/pods/ns_" + pod + "_uid-" + pod);
}

void NodeFixture::append(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::app | std::ios::binary) << bytes;
}

std::string NodeFixture::rotate(const std::string& pod) {
  const std::string rotated = log(pod) + ".20261202-1200" + std::to_string(10 + rotations_++);
  fs::rename(log(pod), rotated);
  append(log(pod), "");
  return rotated;
}

void NodeFixture::compress(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const std::string temporary = path + ".tmp";
  gzFile out = gzopen(temporary.c_str(), "wb");
  gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(out);
  fs::rename(temporary, path + ".gz");
  fs::remove(path);
}

void NodeFixture::start() {
  options_.logRoot = root();
  options_.node = "n";
  worker_ = std::make_unique<TailWorker>(options_, sink_, budget_, base::systemClock());
  sink_.attach(worker_.get());
  ASSERT_TRUE(worker_->start().ok());
}

void NodeFixture::stop() {
  if (worker_ != nullptr) worker_->stop();
  sink_.attach(nullptr);
  worker_.reset();
}

bool NodeFixture::waitForEnd(const std::string& pod) {
  return sink_.waitFor([&](const auto& books) {
    for (const auto& [key, book] : books) {
      if (book.description.pod == pod) return book.ended;
    }
    return false;
  });
}

bool NodeFixture::eventually(const std::function<bool()>& condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

size_t NodeFixture::copies() const {
  size_t count = 0;
  std::error_code gone;  // what was listed may be renamed or removed meanwhile
  for (fs::recursive_directory_iterator at(spoolDir(), gone), end; !gone && at != end;
       at.increment(gone)) {
    if (at->path().extension() == ".spool") ++count;
  }
  return count;
}

event::StreamDescription NodeFixture::describe(const std::string& pod) {
  event::StreamDescription description;
  description.node = "n";
  description.namespaceName = "ns";
  description.pod = pod;
  description.podUid = "uid-" + pod;
  description.container = "c";
  return description;
}

}  // namespace logtail::agent::test
