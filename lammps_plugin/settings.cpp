// SPDX-License-Identifier: GPL-2.0-only
#include "settings.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <sstream>
#include <utility>

#include "mdbridge/elements.hpp"
#include "mdbridge/error.hpp"
#include "mdbridge/rotations.hpp"
#include "words.hpp"

namespace mdbridge_lammps {

namespace {

using mdbridge::Error;

template <typename Value>
Value choose(const std::string& keyword, const std::string& found,
             const std::vector<std::pair<std::string, Value>>& choices) {
  std::vector<std::string> names;
  for (const auto& [name, value] : choices) {
    if (name == found) return value;
    names.push_back(name);
  }
  throw Error("keyword '" + keyword + "' expects " + join(names, " or ") + ", found '" + found +
              "' (did you mean '" + nearest(found, names) + "'?)");
}

template <typename Number>
Number read_number(const std::string& keyword, const std::string& found, const char* expected) {
  std::istringstream stream(found);
  Number value{};
  if (!(stream >> value) || !stream.eof() || !(value > Number{})) {
    throw Error("keyword '" + keyword + "' expects " + expected + ", found '" + found + "'");
  }
  return value;
}

/// So that read_number() gives the same again.
std::string written(double value) {
  std::ostringstream stream;
  stream.precision(17);
  stream << value;
  return stream.str();
}

std::string read_device(const std::string& found) {
  const std::string number = found.rfind("cuda:", 0) == 0 ? found.substr(5) : "0";
  const bool digits =
      !number.empty() && std::all_of(number.begin(), number.end(),
                                     [](unsigned char c) { return c >= '0' && c <= '9'; });
  const bool known = found == "auto" || found == "cpu" || found == "cuda" ||
                     (found.rfind("cuda:", 0) == 0 && digits);
  if (!known) {
    throw Error(
        "keyword 'device' expects auto, cpu, cuda or cuda:N with N counted from 0, found '" +
        found + "'");
  }
  return found;
}

/// The name of a set of rotated copies, if it is one.
std::string read_symmetrization(const std::string& keyword, const std::string& found) {
  try {
    mdbridge::rotation_set(found);
  } catch (const Error& error) {
    // the degree of a grid may be wrong, or its name
    std::vector<std::string> names = mdbridge::symmetrization_names();
    for (const auto& grid : mdbridge::rotation_grid_names()) names.push_back(grid);
    throw Error("keyword '" + keyword + "': " + error.what() + " (did you mean '" +
                nearest(found, names) + "'?)");
  }
  return found;
}

/// One keyword: how its value is read, and how it is written back (empty: the default).
struct Keyword {
  std::string name;
  std::function<void(Settings&, const std::string&)> read;
  std::function<std::string(const Settings&)> write;
  /// It has any number of values, up to the next keyword.
  bool several = false;
};

Keyword text_keyword(const std::string& name, std::string Settings::* member) {
  return {name, [member](Settings& s, const std::string& value) { s.*member = value; },
          [member](const Settings& s) { return s.*member; }};
}

Keyword input_keyword(const std::string& name, std::optional<double> Settings::* member) {
  return {name,
          [name, member](Settings& s, const std::string& found) {
            std::istringstream stream(found);
            double value = 0.0;
            if (!(stream >> value) || !stream.eof()) {
              throw Error("keyword '" + name + "' expects a number, found '" + found + "'");
            }
            s.*member = value;
          },
          [member](const Settings& s) { return s.*member ? written(*(s.*member)) : ""; }};
}

Keyword switch_keyword(const std::string& name, bool Settings::* member) {
  return {name,
          [name, member](Settings& s, const std::string& value) {
            s.*member = choose<bool>(name, value, {{"yes", true}, {"no", false}});
          },
          [member](const Settings& s) { return s.*member ? "yes" : "no"; }};
}

Keyword symmetrize_keyword(const std::string& name, std::string Settings::* member) {
  return {name,
          [name, member](Settings& s, const std::string& value) {
            s.*member = read_symmetrization(name, value);
          },
          [member](const Settings& s) { return s.*member; }};
}

/// Written only where there is an inner model, which the others are about.
Keyword inner_symmetrize_keyword() {
  Keyword keyword = symmetrize_keyword("inner_symmetrize", &Settings::inner_symmetrize);
  keyword.write = [](const Settings& s) {
    return s.inner.empty() ? std::string() : s.inner_symmetrize;
  };
  return keyword;
}

std::vector<std::string> names_of_keywords();

/// A misspelt keyword behind a list of files is no file.
std::string read_member(const std::string& found) {
  if (found.find_first_of("./:") != std::string::npos) return found;
  throw Error("keyword 'committee' expects files of models up to the next keyword, found '" +
              found + "': did you mean the keyword '" + nearest(found, names_of_keywords()) +
              "'? (A file of that name: ./" + found + ")");
}

/// All keywords of the pair style. A new one is an entry here and a member of Settings.
const std::vector<Keyword>& keywords() {
  static const std::vector<Keyword> all = {
      {"forces",
       [](Settings& s, const std::string& value) {
         using Forces = Settings::Forces;
         s.forces = choose<Forces>(
             "forces", value, {{"conservative", Forces::conservative}, {"direct", Forces::direct}});
       },
       [](const Settings& s) {
         return s.forces == Settings::Forces::direct ? "direct" : "conservative";
       }},
      {"virial",
       [](Settings& s, const std::string& value) {
         using Virial = Settings::Virial;
         s.virial = choose<Virial>(
             "virial", value, {{"direct", Virial::direct}, {"conservative", Virial::conservative}});
       },
       [](const Settings& s) {
         return s.virial == Settings::Virial::direct ? "direct" : "conservative";
       }},
      {"device", [](Settings& s, const std::string& value) { s.device = read_device(value); },
       [](const Settings& s) { return s.device; }},
      text_keyword("variant", &Settings::variant),
      text_keyword("variant/direct", &Settings::direct_variant),
      text_keyword("variant/uncertainty", &Settings::uncertainty_variant),
      text_keyword("extensions", &Settings::extensions),
      input_keyword("charge", &Settings::charge),
      input_keyword("spin_multiplicity", &Settings::spin_multiplicity),
      {"threads",
       [](Settings& s, const std::string& value) {
         s.threads = read_number<int>("threads", value, "a positive whole number");
       },
       [](const Settings& s) { return s.threads > 0 ? std::to_string(s.threads) : ""; }},
      {"net_force",
       [](Settings& s, const std::string& value) {
         s.remove_net_force = choose<bool>("net_force", value, {{"remove", true}, {"keep", false}});
       },
       [](const Settings& s) { return s.remove_net_force ? "remove" : "keep"; }},
      symmetrize_keyword("symmetrize", &Settings::symmetrize),
      symmetrize_keyword("symmetrize/direct", &Settings::direct_symmetrize),
      {"seed",
       [](Settings& s, const std::string& value) {
         s.seed = read_number<std::int64_t>("seed", value, "a positive whole number");
       },
       [](const Settings& s) { return s.seed > 0 ? std::to_string(s.seed) : ""; }},
      {"max_correction",
       [](Settings& s, const std::string& value) {
         s.max_correction = read_number<double>("max_correction", value, "a positive number");
       },
       [](const Settings& s) { return written(s.max_correction); }},
      switch_keyword("check", &Settings::check),
      switch_keyword("timing", &Settings::timing),
      text_keyword("inner", &Settings::inner),
      {"inner_forces",
       [](Settings& s, const std::string& value) {
         using Kind = mdbridge::ForceKind;
         s.inner_forces =
             choose<Kind>("inner_forces", value,
                          {{"direct", Kind::direct}, {"conservative", Kind::conservative}});
       },
       [](const Settings& s) {
         return s.inner_forces ? std::string(to_string(*s.inner_forces)) : std::string();
       }},
      text_keyword("inner_variant", &Settings::inner_variant),
      inner_symmetrize_keyword(),
      {"committee",
       [](Settings& s, const std::string& value) { s.committee.push_back(read_member(value)); },
       [](const Settings&) { return std::string(); }, true},
      {"committee/driver",
       [](Settings& s, const std::string& value) {
         using Driver = Settings::Driver;
         s.committee_driver = choose<Driver>("committee/driver", value,
                                             {{"mean", Driver::mean}, {"first", Driver::first}});
       },
       [](const Settings& s) { return std::string(s.first_drives() ? "first" : ""); }},
      {"uncertainty/forces",
       [](Settings& s, const std::string& value) {
         s.force_uncertainty_threshold =
             read_number<double>("uncertainty/forces", value, "a positive force in eV/Angstrom");
       },
       [](const Settings& s) {
         return s.force_uncertainty_threshold > 0.0 ? written(s.force_uncertainty_threshold) : "";
       }},
      {"uncertainty",
       [](Settings& s, const std::string& value) {
         s.uncertainty_threshold =
             read_number<double>("uncertainty", value, "a positive energy per atom in eV");
       },
       [](const Settings& s) {
         return s.uncertainty_threshold > 0.0 ? written(s.uncertainty_threshold) : "";
       }},
  };
  return all;
}

std::vector<std::string> names_of_keywords() {
  std::vector<std::string> names;
  for (const auto& keyword : keywords()) names.push_back(keyword.name);
  return names;
}

bool is_keyword(const std::string& word) {
  return std::any_of(keywords().begin(), keywords().end(),
                     [&](const Keyword& keyword) { return keyword.name == word; });
}

const Keyword& find_keyword(const std::string& word) {
  for (const auto& keyword : keywords()) {
    if (keyword.name == word) return keyword;
  }
  const auto names = names_of_keywords();
  throw Error("unknown keyword '" + word + "': did you mean '" + nearest(word, names) +
              "'? The keywords are " + join(names, ", "));
}

void require_consistent_seed(const Settings& settings) {
  const bool outer = settings.symmetrize == "random";
  const bool inner = settings.inner_symmetrize == "random";
  if ((outer || inner) && settings.seed == 0) {
    throw Error(std::string(outer ? "'symmetrize" : "'inner_symmetrize") +
                " random' needs a seed: add 'seed N' with a positive whole number");
  }
  if (!outer && !inner && settings.seed > 0) {
    throw Error("keyword 'seed' has no effect without 'symmetrize random', found 'symmetrize " +
                settings.symmetrize + "': leave it out");
  }
}

/// `given`: the keywords in the input.
void require_consistent_inner(const Settings& settings, const std::set<std::string>& given) {
  for (const auto& keyword : given) {
    if (keyword.rfind("inner_", 0) != 0 || !settings.inner.empty()) continue;
    const std::string other =
        keyword == "inner_symmetrize"
            ? " (of the direct forces of the one model: 'symmetrize/direct none')"
            : "";
    throw Error("keyword '" + keyword +
                "' is about a model of its own for the inner forces, and there is none: add 'inner "
                "model.pt', or leave it out" +
                other);
  }
  if (!settings.inner.empty() && settings.forces == Settings::Forces::direct) {
    throw Error(
        "keyword 'inner' names the model of the inner forces, which the conservative forces of '" +
        settings.model +
        "' correct: it cannot be used with 'forces direct'. Leave out 'forces direct', or 'inner'");
  }
}

/// `given`: the keywords in the input.
void require_consistent_committee(const Settings& settings, const std::set<std::string>& given) {
  if (settings.committee.empty()) {
    if (!given.contains("committee/driver")) return;
    throw Error(
        "keyword 'committee/driver' says what drives a run with a committee, and there is none: "
        "add 'committee b.pt ...', or leave it out");
  }
  if (given.contains("variant/uncertainty")) {
    throw Error(
        "keyword 'variant/uncertainty' has no effect with a committee, whose uncertainty is what "
        "its members differ by: leave it out");
  }
  if (!settings.first_drives()) return;
  for (const char* keyword : {"uncertainty", "uncertainty/forces"}) {
    if (!given.contains(keyword)) continue;
    throw Error("keyword '" + std::string(keyword) +
                "' looks at all members in each step, in which 'committee/driver first' leaves "
                "them out: leave one of them out, or read compute mdbridge/committee now and then");
  }
}

}  // namespace

Settings Settings::parse(const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    throw Error(
        "expected the file of an exported model: pair_style mdbridge model.pt [keyword value ...]");
  }
  Settings settings;
  settings.model = arguments.front();
  std::set<std::string> given;
  for (std::size_t i = 1; i < arguments.size();) {
    const Keyword& keyword = find_keyword(arguments[i]);
    std::size_t end = ++i;
    if (!keyword.several) ++end;
    while (keyword.several && end < arguments.size() && !is_keyword(arguments[end])) ++end;
    if (end == i || end > arguments.size()) {
      throw Error("keyword '" + keyword.name + "' needs a value after it");
    }
    if (!given.insert(keyword.name).second) {
      throw Error("keyword '" + keyword.name + "' is given twice");
    }
    for (; i < end; ++i) keyword.read(settings, arguments[i]);
  }
  require_consistent_seed(settings);
  require_consistent_inner(settings, given);
  require_consistent_committee(settings, given);
  return settings;
}

std::vector<std::string> Settings::arguments() const {
  std::vector<std::string> all = {model};
  for (const auto& keyword : keywords()) {
    const std::string value = keyword.write(*this);
    if (value.empty()) continue;
    all.push_back(keyword.name);
    all.push_back(value);
  }
  return all;
}

std::vector<std::int32_t> parse_elements(const std::vector<std::string>& names, int types,
                                         bool hybrid, const mdbridge::ModelInfo& model) {
  if (static_cast<int>(names.size()) != types) {
    throw Error("pair_coeff expects one element for each of the " + std::to_string(types) +
                " atom types (pair_coeff * * O H ...), found " + std::to_string(names.size()));
  }
  const auto& known = model.atomic_types;
  std::vector<std::string> known_names;
  for (const int number : known) known_names.push_back(mdbridge::chemical_symbol(number));
  std::vector<std::int32_t> elements(types + 1, 0);
  for (int type = 1; type <= types; ++type) {
    const std::string& name = names[type - 1];
    if (name == "NULL" && hybrid) continue;
    const std::string where =
        "pair_coeff: element '" + name + "' of atom type " + std::to_string(type);
    if (name == "NULL") throw Error(where + " is allowed with pair_style hybrid only");
    const int number = mdbridge::atomic_number(name);
    if (number == 0) {
      const bool numeric = std::all_of(name.begin(), name.end(),
                                       [](char letter) { return letter >= '0' && letter <= '9'; });
      const char* expected = numeric ? " is a number; expected a chemical symbol for each atom type"
                                     : " is not a chemical symbol";
      throw Error(where + expected + "; the model '" + model.path + "' knows " +
                  join(known_names, ", "));
    }
    if (!std::binary_search(known.begin(), known.end(), number)) {
      throw Error(where + " is not in the model '" + model.path + "', which knows " +
                  join(known_names, ", "));
    }
    elements[type] = number;
  }
  return elements;
}

}  // namespace mdbridge_lammps
