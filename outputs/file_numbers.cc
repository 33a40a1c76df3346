#include "outputs/file_numbers.h"

#include <algorithm>
#include <charconv>

#include "outputs/manifest_format.h"

namespace logtail::outputs {

using base::Errc;
using base::Result;

Result<const std::vector<std::string>*> FileNumbers::names(const std::string& directory) {
  if (const auto known = listed_.find(directory); known != listed_.end()) return &known->second;
  auto names = files_.list(directory);
  if (!names.ok() && names.code() != Errc::kNotFound) return names.error();
  return &(listed_[directory] = names.ok() ? std::move(*names) : std::vector<std::string>());
}

Result<uint32_t> FileNumbers::behind(const std::string& target) {
  const auto listed = names(base::directoryOf(directory_ + "/" + target));
  if (!listed.ok()) return listed.error();
  const std::vector<std::string>& names = **listed;
  // What filePath() puts around a number, from the first place where two of them differ.
  const std::string sample = filePath(target, 1);
  const size_t name = target.rfind('/') == std::string::npos ? 0 : target.rfind('/') + 1;
  size_t at = name;
  while (at < target.size() && target[at] == sample[at]) ++at;
  const std::string before = sample.substr(name, at - name) + "_";
  const std::string behind = target.substr(at);
  uint32_t next = std::binary_search(names.begin(), names.end(), target.substr(name)) ? 1 : 0;
  for (auto each = std::lower_bound(names.begin(), names.end(), before);
       each != names.end() && each->starts_with(before); ++each) {
    if (!each->ends_with(behind) || each->size() <= before.size() + behind.size()) continue;
    const char* end = each->data() + each->size() - behind.size();
    uint32_t number = 0;
    const auto [stop, error] = std::from_chars(each->data() + before.size(), end, number);
    if (error != std::errc() || stop != end || number > kMaxNumber) continue;
    next = std::max(next, number + 1);
  }
  return next;
}

Result<uint32_t> FileNumbers::freeFrom(const std::string& target, uint32_t number) {
  const auto info = files_.info(directory_ + "/" + filePath(target, number));
  if (!info.ok() && info.code() == Errc::kNotFound) return number;
  if (!info.ok()) return info.error();
  auto next = behind(target);
  if (!next.ok()) return next.error();
  return std::max(*next, number + 1);
}

}  // namespace logtail::outputs
