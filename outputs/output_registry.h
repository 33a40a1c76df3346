#pragma once
// The types of output there are: for each the table of its settings and how it is made.
//
// Flow: main fills it in one explicit table -> aggregator.yaml is read by types() -> make(). Owned
// by main. Any thread once it is filled.

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "outputs/output.h"
#include "outputs/settings.h"

namespace logtail::outputs {

class OutputRegistry {
 public:
  using Made = base::Result<std::unique_ptr<Output>>;

  // `make` is called with the settings that `table`, whose name is the type's, has read.
  template <typename Settings>
  void add(const config::Table<Settings>& table,
           std::function<Made(const Settings&, OutputContext)> make) {
    types_.add(table);
    makers_[table.spec()->name] = [make](const OutputSettings& settings, OutputContext context) {
      return make(static_cast<const Settings&>(settings), std::move(context));
    };
  }

  const config::Variants<OutputSettings>& types() const { return types_; }
  // kFixInput when the settings make no sense together.
  Made make(const config::Chosen<OutputSettings>& chosen, OutputContext context) const {
    return makers_.at(chosen.type)(*chosen.settings, std::move(context));
  }

 private:
  config::Variants<OutputSettings> types_;
  std::unordered_map<std::string, std::function<Made(const OutputSettings&, OutputContext)>>
      makers_;
};

}  // namespace logtail::outputs
