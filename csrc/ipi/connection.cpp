#include "ipi/connection.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <type_traits>
#include <utility>

#include "mdbridge/error.hpp"

namespace mdbridge::ipi {

namespace {

constexpr std::chrono::milliseconds shortest_patience{50};
constexpr std::chrono::milliseconds longest_patience{1000};
constexpr std::size_t chunk_size = std::size_t{1} << 16;

Endpoint make_endpoint(const Service& service, const std::string& sockets_prefix) {
  if (!service.socket_name.empty()) {
    const std::string path = sockets_prefix + service.socket_name;
    return {path, "", 0, "the unix socket " + path};
  }
  return {"", service.host, service.port,
          "port " + std::to_string(service.port) + " of " + service.host};
}

}  // namespace

Connection::Connection(Service service, std::int64_t atoms, const std::string& sockets_prefix)
    : service_(std::move(service)),
      atoms_(atoms),
      endpoint_(make_endpoint(service_, sockets_prefix)),
      reader_(atoms, service_.transport, service_.text),
      patience_(shortest_patience),
      next_attempt_(Clock::now()) {}

bool Connection::connect() {
  const auto failure = socket_.connect(endpoint_);
  if (!failure) return true;
  last_failure_ = *failure;
  next_attempt_ = Clock::now() + patience_;
  patience_ = std::min(2 * patience_, longest_patience);
  return false;
}

std::string Connection::advice() const {
  if (!endpoint_.path.empty() && last_failure_ == std::strerror(ECONNREFUSED)) {
    return "the file " + endpoint_.path +
           " is there, but nobody listens to it: an i-PI that was killed has left it. Remove it, "
           "and start i-PI again";
  }
  return "start i-PI first, and compare the address with the one in its <ffsocket>";
}

void Connection::reset() {
  socket_.close();
  reader_ = MessageReader(atoms_, service_.transport, service_.text);
  segments_.detach();
  pending_.reset();
  results_.reset();
  batch_ = 1;
  last_failure_ = "the connection was closed before any work was done";
  next_attempt_ = Clock::now() + patience_;
  patience_ = std::min(2 * patience_, longest_patience);
}

void Connection::receive() {
  char chunk[chunk_size];
  while (!pending_ && socket_.is_open()) {
    const Socket::Chunk received = socket_.receive(chunk, chunk_size);
    if (received.closed) socket_.close();
    if (received.size == 0) return;
    last_arrival_ = Clock::now();
    reader_.feed(chunk, received.size);
    answer_messages();
  }
}

bool Connection::interrupted_for(double seconds) const {
  return !pending_ && !reader_.at_boundary() &&
         Clock::now() - last_arrival_ >= std::chrono::duration<double>(seconds);
}

void Connection::answer_messages() {
  while (!pending_ && !finished_ && socket_.is_open()) {
    const auto message = reader_.next();
    if (!message) return;
    handle(*message);
  }
}

void Connection::handle(const Message& message) {
  const auto reply = [this](std::string_view name) {
    if (!socket_.send(header(name))) socket_.close();
  };
  std::visit(
      [&](const auto& content) {
        using Content = std::decay_t<decltype(content)>;
        if constexpr (std::is_same_v<Content, Status>) {
          reply(!initialised_ ? "NEEDINIT" : results_ ? "HAVEDATA" : "READY");
        } else if constexpr (std::is_same_v<Content, Init>) {
          begin(content);
        } else if constexpr (std::is_same_v<Content, GetForce>) {
          send_forces();
        } else if constexpr (std::is_same_v<Content, Exit>) {
          finished_ = true;
          socket_.close();
        } else {
          if (!initialised_) throw Error(name() + " sent POSDATA before INIT");
          results_.reset();
          if constexpr (std::is_same_v<Content, SharedPositionData>) {
            if (!content.segments.empty()) segments_.attach(content.segments, batch_, atoms_);
            pending_ = segments_.read();
          } else {
            pending_ = content.frames;
          }
        }
      },
      message);
}

/// What has been read, computed or mapped for batches of one size makes no sense for another.
void Connection::begin(const Init& init) {
  if (initialised_ && init.batch != batch_) {
    throw Error(name() + " announced batches of " + std::to_string(init.batch) +
                " structures in the middle of a run, which began with batches of " +
                std::to_string(batch_) + "; restart the client for another <batch_size>");
  }
  initialised_ = true;
  batch_ = init.batch;
}

void Connection::deliver(std::vector<Result> results) {
  pending_.reset();
  results_ = std::move(results);
  if (service_.transport == Transport::shared_memory) segments_.write(*results_);
  ++delivered_;
  answer_messages();
}

void Connection::send_forces() {
  if (!results_) throw Error(name() + " sent GETFORCE before POSDATA");
  std::string reply;
  if (service_.transport == Transport::shared_memory) {
    reply = shared_force_reply(*results_);
  } else if (batch_ > 1) {
    reply = force_reply(*results_);
  } else {
    reply = force_reply(results_->front());
  }
  results_.reset();
  if (!socket_.send(reply)) socket_.close();
}

std::string Connection::interruption() const {
  if (!reader_.at_boundary()) return "in the middle of " + reader_.unfinished();
  if (results_) return "without asking for the forces";
  return "without an EXIT message";
}

}  // namespace mdbridge::ipi
