#pragma once
// A certificate authority and certificates of its own for each test run, written to a directory.

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <string>

namespace logtail::test {

// What a certificate says; the moments are seconds from now.
struct Certificate {
  std::string commonName = "somebody";
  std::string alternativeNames;  // as in openssl.cnf, "DNS:a,URI:spiffe://x/node/a"; empty: none
  std::string usage;             // extended key usage, "serverAuth"; empty: for anything
  long from = -3600;
  long until = 24L * 3600;
};

class TestAuthority {
 public:
  TestAuthority() : key_(EVP_EC_gen("P-256"), EVP_PKEY_free) {
    certificate_ =
        make({"test authority", "", "", -7200, 48L * 3600}, key_.get(), nullptr, key_.get());
  }

  // ca.crt, tls.crt and tls.key for `name` into `directory`; ca.crt is that of `trusted`.
  void issue(const std::string& directory, const std::string& name,
             const TestAuthority& trusted) const {
    issue(directory, {name, "DNS:" + name, ""}, trusted);
  }
  void issue(const std::string& directory, const std::string& name) const {
    issue(directory, name, *this);
  }
  void issue(const std::string& directory, const Certificate& wanted,
             const TestAuthority& trusted) const {
    const Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const auto certificate = make(wanted, key.get(), certificate_.get(), key_.get());
    save(directory + "/ca.crt", [&](FILE* f) { PEM_write_X509(f, trusted.certificate_.get()); });
    save(directory + "/tls.crt", [&](FILE* f) { PEM_write_X509(f, certificate.get()); });
    save(directory + "/tls.key", [&](FILE* f) {
      PEM_write_PrivateKey(f, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }
  void issue(const std::string& directory, const Certificate& wanted) const {
    issue(directory, wanted, *this);
  }
  // tls.key again, now with a password.
  static void lockKey(const std::string& directory) {
    FILE* file = std::fopen((directory + "/tls.key").c_str(), "rb");
    const Key key(PEM_read_PrivateKey(file, nullptr, nullptr, nullptr), EVP_PKEY_free);
    std::fclose(file);
    save(directory + "/tls.key", [&](FILE* f) {
      PEM_write_PKCS8PrivateKey(f, key.get(), EVP_aes_128_cbc(), "secret", 6, nullptr, nullptr);
    });
  }
  // The certificate alone, as OpenSSL has it.
  std::unique_ptr<X509, decltype(&X509_free)> certificate(const Certificate& wanted) const {
    const Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    return make(wanted, key.get(), certificate_.get(), key_.get());
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Made = std::unique_ptr<X509, decltype(&X509_free)>;

  static Made make(const Certificate& wanted, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuerKey) {
    Made made(X509_new(), X509_free);
    X509* x = made.get();
    X509_set_version(x, 2);
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), wanted.from);
    X509_gmtime_adj(X509_getm_notAfter(x), wanted.until);
    X509_set_pubkey(x, key);
    X509_NAME* subject = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(wanted.commonName.c_str()),
                               -1, -1, 0);
    X509_set_issuer_name(x, issuer == nullptr ? subject : X509_get_subject_name(issuer));
    add(x, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
    if (!wanted.alternativeNames.empty()) add(x, NID_subject_alt_name, wanted.alternativeNames);
    if (!wanted.usage.empty()) add(x, NID_ext_key_usage, wanted.usage);
    X509_sign(x, issuerKey, EVP_sha256());
    return made;
  }
  static void add(X509* x, int nid, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
  }
  template <typename Write>
  static void save(const std::string& path, Write&& write) {
    FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) return;
    write(file);
    std::fclose(file);
  }

  Key key_;
  Made certificate_{nullptr, X509_free};
};

}  // namespace logtail::test
