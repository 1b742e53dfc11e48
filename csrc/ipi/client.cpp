#include "ipi/client.hpp"

#include <poll.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include "ipi/connection.hpp"
#include "mdbridge/error.hpp"

namespace mdbridge::ipi {

namespace {

// How long a wait goes on without a look at signals and at connections yet to be made, ms.
constexpr int wait_slice = 100;

std::string seconds(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g s", value);
  return text;
}

[[noreturn]] void refuse(const std::string& text, const std::string& why) {
  throw Error("cannot serve \"" + text + "\": " + why +
              "; expected unix:NAME, shm:NAME or HOST:PORT, each optionally followed by "
              "=conservative or =direct");
}

int parse_port(const std::string& text, const std::string& digits) {
  int port = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end || port < 1 || port > 65535) {
    refuse(text, "\"" + digits + "\" is not a port between 1 and 65535");
  }
  return port;
}

/// i-PI gives a request to any of the clients of a forcefield: they must all answer alike.
void require_one_kind_each(const std::vector<Service>& services) {
  for (const Service& one : services) {
    for (const Service& other : services) {
      const bool same =
          one.socket_name == other.socket_name && one.host == other.host && one.port == other.port;
      if (!same || one.kind == other.kind) continue;
      throw Error("\"" + one.text + "\" and \"" + other.text +
                  "\" are one address, whose forcefield would get both kinds of forces by turns: "
                  "give each kind its own forcefield and address in i-PI");
    }
  }
}

}  // namespace

Service parse_service(const std::string& text) {
  Service service;
  service.text = text;
  const std::size_t equals = text.rfind('=');
  const std::string address = text.substr(0, equals);
  if (equals != std::string::npos) {
    const std::string kind = text.substr(equals + 1);
    if (kind != "conservative" && kind != "direct") {
      refuse(text, "\"" + kind + "\" is no kind of forces");
    }
    service.kind = parse_force_kind(kind);
  }
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) {
    refuse(text, "\"" + address + "\" is not an address");
  }
  const std::string before = address.substr(0, colon);
  const std::string after = address.substr(colon + 1);
  if (before == "unix" || before == "shm") {
    if (before == "shm") service.transport = Transport::shared_memory;
    service.socket_name = after;
  } else {
    service.host = before;
    service.port = parse_port(text, after);
  }
  return service;
}

Client::Client(std::shared_ptr<Session> session, const std::vector<Service>& services,
               ClientOptions options)
    : session_(std::move(session)), options_(std::move(options)) {
  if (services.empty()) throw Error("there is no address to serve");
  require_one_kind_each(services);
  for (const Service& service : services) {
    session_->serve(service.kind);
    connections_.push_back(
        std::make_unique<Connection>(service, session_->atoms(), options_.sockets_prefix));
  }
}

Client::~Client() = default;

void Client::log(const std::string& line) const {
  if (options_.log) options_.log(line);
}

bool Client::all_finished() const {
  return std::all_of(connections_.begin(), connections_.end(),
                     [](const auto& connection) { return connection->finished(); });
}

void Client::run() {
  // however this ends, i-PI must see that nobody answers any more
  const auto hang_up = [](Client* client) {
    for (const auto& connection : client->connections_) connection->close();
  };
  const std::unique_ptr<Client, decltype(hang_up)> at_end(this, hang_up);
  deadline_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                 std::chrono::duration<double>(options_.timeout));
  while (!all_finished()) {
    if (options_.check_interrupt) options_.check_interrupt();
    connect_waiting();
    wait_for_messages();
    check_stalled();
    evaluate_pending();
  }
}

void Client::connect_waiting() {
  for (const auto& connection : connections_) {
    if (connection->open() || connection->finished()) continue;
    if (Clock::now() < connection->next_attempt()) continue;
    if (connection->connect()) {
      log(connection->name() + ": connected to " + connection->address());
      continue;
    }
    if (Clock::now() < deadline_) continue;
    throw Error("no i-PI server answered for " + connection->name() + " at " +
                connection->address() + " within " + seconds(options_.timeout) + " (" +
                connection->last_failure() + "): " + connection->advice());
  }
}

void Client::wait_for_messages() {
  std::vector<pollfd> waiting;
  for (const auto& connection : connections_) {
    if (connection->open()) waiting.push_back({connection->descriptor(), POLLIN, 0});
  }
  // an interrupted wait is not an error: the caller looks at signals next
  if (::poll(waiting.data(), waiting.size(), waiting.empty() ? wait_slice / 2 : wait_slice) <= 0) {
    return;
  }
  for (const pollfd& ready : waiting) {
    if (ready.revents == 0) continue;
    const auto connection =
        std::find_if(connections_.begin(), connections_.end(),
                     [&](const auto& c) { return c->descriptor() == ready.fd; });
    (*connection)->receive();
    if (!(*connection)->open()) lost(**connection);
  }
}

void Client::check_stalled() const {
  for (const auto& connection : connections_) {
    if (!connection->open() || !connection->interrupted_for(options_.stall_timeout)) continue;
    throw Error(connection->name() + ": i-PI stopped sending " + connection->interruption() +
                "; expected the rest within " + seconds(options_.stall_timeout));
  }
}

void Client::evaluate_pending() {
  // Conservative forces first: they bring the direct ones along if both are wanted at once.
  for (const ForceKind kind : {ForceKind::conservative, ForceKind::direct}) {
    for (const auto& connection : connections_) {
      while (connection->service().kind == kind && connection->pending()) {
        std::vector<Result> results;
        try {
          results = session_->evaluate(kind, *connection->pending());
        } catch (const Error& error) {
          throw Error("force evaluation " + std::to_string(connection->delivered() + 1) + " for " +
                      connection->name() + ": " + error.what());
        }
        const std::string news = session_->take_news();
        if (!news.empty()) log(connection->name() + ": " + news);
        connection->deliver(std::move(results));
        if (!connection->open()) lost(*connection);
      }
    }
  }
}

void Client::lost(Connection& connection) {
  if (connection.finished()) {
    log(connection.name() + ": i-PI said EXIT after " + std::to_string(connection.delivered()) +
        " force evaluations");
    return;
  }
  // a server that is just starting (or a dying one from the run before) may hang up once or twice
  if (!connection.initialised() && Clock::now() < deadline_) {
    log(connection.name() + ": " + connection.address() + " hung up, trying again");
    connection.reset();
    return;
  }
  throw Error(connection.name() + ": i-PI closed the connection " + connection.interruption() +
              ", after " + std::to_string(connection.delivered()) +
              " force evaluations: it has stopped or was killed; look at its output");
}

}  // namespace mdbridge::ipi
