#include "common/base/checksum.h"
#include "common/base/log.h"

#include "aggregator/tls_credentials_impl.h"

namespace logtail::aggregator {

TlsCredentials::TlsCredentials(std::string directory, const base::Clock& clock,
                               IntakeMetrics& metrics)
    : directory_(std::move(directory)), clock_(clock), metrics_(metrics) {}

base::Status TlsCredentials::load() {
  const std::lock_guard lock(mutex_);
  looked_ = clock_.steady();
  const auto files = net::readTlsFiles(directory_);
  if (!files.ok()) return files.error();
  auto context = net::makeTlsContext(*files, net::TlsSide::kServer);
  if (!context.ok()) return context.error();
  seen_ = files->hash();
  use(std::move(*context));
  return {};
}

std::shared_ptr<net::TlsContext> TlsCredentials::current() {
  const std::lock_guard lock(mutex_);
  if (clock_.steady() - looked_ >= kInterval) lookAgain();
  return context_;
}

// By content: a time stamp may stay the same, and three small files are read in no time.
void TlsCredentials::lookAgain() {
  looked_ = clock_.steady();
  const auto files = net::readTlsFiles(directory_);
  const uint64_t now = files.ok() ? files->hash() : base::hash64(files.message());
  if (now == seen_) return;
  seen_ = now;
  auto context = files.ok() ? net::makeTlsContext(*files, net::TlsSide::kServer)
                            : base::Result<std::shared_ptr<net::TlsContext>>(files.error());
  if (!context.ok()) {
    metrics_.tlsReloadFailures.add();
    base::logError("tls: " + context.message() + "; the former certificates stay in use");
    return;
  }
  metrics_.tlsReloads.add();
  base::logInfo("tls: new certificates in " + directory_ + ", used from now on");
  use(std::move(*context));
}

void TlsCredentials::use(std::shared_ptr<net::TlsContext> context) {
  context_ = std::move(context);
  const int64_t end = net::certificateEnd(*context_);
  metrics_.tlsCertificateEnd.set(static_cast<double>(end));
  if (end < clock_.wallNanos() / 1'000'000'000) {
    base::logError("tls: " + directory_ + "/tls.crt has expired: agents refuse it");
  }
}

}  // namespace logtail::aggregator
