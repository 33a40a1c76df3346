#pragma once
// The other side of the HTTP client: answers one connection with given bytes, over TCP or TLS.

#include <cstdint>
#include <future>
#include <string>
#include <thread>

namespace logtail::net {

// A key with a self-signed certificate for one DNS name, made for the test, in a directory of its
// own.
class TestCertificate {
 public:
  explicit TestCertificate(const std::string& dnsName);
  TestCertificate(const TestCertificate&) = delete;
  TestCertificate& operator=(const TestCertificate&) = delete;
  ~TestCertificate();
  std::string caFile() const { return directory_ + "/cert.pem"; }
  std::string keyFile() const { return directory_ + "/key.pem"; }

 private:
  std::string directory_;
};

class ScriptedPeer {
 public:
  static constexpr const char* kSilent = "\x01silent";  // reads, and answers nothing until the end

  // Listens on a free port of loopback; TLS when `certificate` is given.
  explicit ScriptedPeer(std::string answer, const TestCertificate* certificate = nullptr);
  ScriptedPeer(const ScriptedPeer&) = delete;
  ScriptedPeer& operator=(const ScriptedPeer&) = delete;
  ~ScriptedPeer();

  uint16_t port() const { return port_; }
  std::string url(const std::string& scheme, const std::string& target) const;
  std::string request() { return request_.get_future().get(); }  // what the client sent

 private:
  void serve(const std::string& answer, const TestCertificate* certificate);

  int listener_ = -1;
  uint16_t port_ = 0;
  std::promise<std::string> request_;
  std::thread thread_;
};

}  // namespace logtail::net
